// Draws the panels of the overview with Perses, whose Prometheus plugin queries the service.
import { ThemeProvider } from '@mui/material';
import { ChartsProvider, generateChartsTheme, getTheme, SnackbarProvider } from '@perses-dev/components';
import { DatasourceStoreProvider, Panel, VariableProvider } from '@perses-dev/dashboards';
import { DataQueriesProvider, dynamicImportPluginLoader, PluginRegistry, TimeRangeProvider, useSuggestedStepMs } from '@perses-dev/plugin-system';
import * as prometheus from '@perses-dev/prometheus-plugin';
import * as stat from '@perses-dev/stat-chart-plugin';
import * as table from '@perses-dev/table-plugin';
import * as timeseries from '@perses-dev/timeseries-chart-plugin';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import * as echarts from 'echarts/core';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';
import { QueryParamProvider } from 'use-query-params';
import { ReactRouter6Adapter } from 'use-query-params/adapters/react-router-6';
import { columns, dashed, END, PANELS, START, THEME, TITLE } from './board.js';

const theme = getTheme(THEME);
const chartsTheme = generateChartsTheme(theme, {});
const loader = dynamicImportPluginLoader(
  [prometheus, stat, table, timeseries].map((plugin) => ({ resource: plugin.getPluginModule(), importPlugin: () => Promise.resolve(plugin) })),
);
// Headless browsers report no network; without 'always' queries would wait for it.
const client = new QueryClient({ defaultOptions: { queries: { networkMode: 'always', retry: false, refetchOnWindowFocus: false } } });
const source = {
  kind: 'GlobalDatasource',
  metadata: { name: 'egov-kpi' },
  spec: { default: true, plugin: { kind: 'PrometheusDatasource', spec: { directUrl: `${location.origin}/prometheus`, scrapeInterval: '1d' } } },
};
const sources = {
  getDatasource: async () => undefined,
  getGlobalDatasource: async () => source,
  listDatasources: async () => [],
  listGlobalDatasources: async () => [source],
};

const format = (defaults) => ({ unit: defaults.unit === 'percent' ? 'percent' : 'decimal', decimalPlaces: defaults.decimals ?? 0, shortValues: false });

// Converts the definition of a Grafana panel for Perses.
function definition(panel) {
  const { defaults } = panel.fieldConfig;
  const queries = panel.targets.map((target) => ({
    kind: 'PrometheusTimeSeriesQuery',
    spec: { query: target.expr, seriesNameFormat: target.legendFormat === '__auto' ? '' : target.legendFormat, minStep: panel.interval },
  }));
  const isDashed = dashed(panel);
  const key = panel.transformations && (['name', 'name_en', 'unit_name'].find((name) => name in columns(panel).renameByName) ?? panel.dimension);
  const plugin = {
    timeseries: () => ({
      kind: 'TimeSeriesChart',
      spec: {
        legend: { position: 'bottom', mode: 'list' },
        yAxis: { format: { ...format(defaults), decimalPlaces: 1 } },
        visual: { lineWidth: 2, connectNulls: defaults.custom.spanNulls },
        querySettings: panel.targets.flatMap((target, queryIndex) => (isDashed(target.legendFormat) ? [{ queryIndex, lineStyle: 'dashed' }] : [])),
      },
    }),
    stat: () => ({ kind: 'StatChart', spec: { calculation: 'last', format: format(defaults), valueFontSize: 16 } }),
    table: () => ({
      kind: 'Table',
      spec: {
        density: 'compact',
        transforms: [
          ...panel.targets.slice(0, 1).map(() => ({ kind: 'MergeIndexedColumns', spec: { column: key } })),
          { kind: 'JoinByColumnValue', spec: { columns: [key] } },
        ],
        columnSettings: [
          { name: key, header: columns(panel).renameByName[key] ?? key, width: 320 },
          ...panel.targets.map((target, n) => ({
            name: `value #${n + 1}`,
            header: columns(panel).renameByName[`Value #${target.refId}`],
            format: { unit: 'decimal', decimalPlaces: 2, shortValues: false },
          })),
          ...Object.keys(columns(panel).renameByName)
            .filter((name) => name !== key && !name.startsWith('Value'))
            .flatMap((name) => [name, ...panel.targets.map((_, n) => `${name} #${n + 1}`)])
            .map((name) => ({ name, hide: true })),
          ...['metric', 'order'].flatMap((name) => [name, ...panel.targets.map((_, n) => `${name} #${n + 1}`)]).map((name) => ({ name, hide: true })),
          ...['timestamp', ...panel.targets.map((_, n) => `timestamp #${n + 1}`)].map((name) => ({ name, hide: true })),
        ],
      },
    }),
  }[panel.type]();
  // Perses' stat panel cannot format dates, so the month is shown as days since 1970.
  const shown = defaults.unit?.startsWith('time:') ? queries.map(({ kind, spec }) => ({ kind, spec: { ...spec, query: spec.query.replace('* 1000', '/ 86400') } })) : queries;
  return {
    queries: shown,
    panel: {
      kind: 'Panel',
      spec: { display: { name: panel.title }, plugin, queries: shown.map((spec) => ({ kind: 'TimeSeriesQuery', spec: { plugin: spec } })) },
    },
  };
}

const UNIT = 56;

function Drawn({ panel }) {
  const { queries, panel: spec } = definition(panel);
  const { x, y, w, h } = panel.gridPos;
  const suggestedStepMs = useSuggestedStepMs(w * UNIT);
  return (
    <div
      data-panel={`${panel.id} ${panel.title}`}
      data-type={panel.type}
      style={{ position: 'absolute', left: x * UNIT, top: y * 36 + 48, width: w * UNIT - 8, height: h * 36 - 8 }}
    >
      <DataQueriesProvider definitions={queries} options={{ suggestedStepMs, mode: panel.type === 'timeseries' ? 'range' : 'instant' }}>
        <Panel definition={spec} style={{ height: '100%' }} />
      </DataQueriesProvider>
    </div>
  );
}

function Page() {
  const bottom = Math.max(...PANELS.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <div style={{ position: 'relative', height: bottom * 36 + 56, width: 24 * UNIT, fontFamily: 'sans-serif' }}>
      <h2 style={{ margin: 8 }}>Perses: {TITLE}</h2>
      {PANELS.map((panel) => (
        <Drawn key={panel.id} panel={panel} />
      ))}
    </div>
  );
}

createRoot(document.getElementById('root')).render(
  <BrowserRouter>
    <QueryParamProvider adapter={ReactRouter6Adapter}>
      <ThemeProvider theme={theme}>
        <ChartsProvider chartsTheme={chartsTheme}>
          <SnackbarProvider>
            <PluginRegistry pluginLoader={loader}>
              <QueryClientProvider client={client}>
                <TimeRangeProvider timeRange={{ start: new Date(START), end: new Date(END) }}>
                  <VariableProvider initialVariableDefinitions={[]}>
                    <DatasourceStoreProvider datasourceApi={sources}>
                      <Page />
                    </DatasourceStoreProvider>
                  </VariableProvider>
                </TimeRangeProvider>
              </QueryClientProvider>
            </PluginRegistry>
          </SnackbarProvider>
        </ChartsProvider>
      </ThemeProvider>
    </QueryParamProvider>
  </BrowserRouter>,
);

// Returns what is drawn to the test: the lines of ECharts, and the text of other panels.
window.drawn = () =>
  [...document.querySelectorAll('[data-panel]')].map((element) => {
    const drawn = { panel: element.dataset.panel, type: element.dataset.type, text: element.innerText, series: [] };
    const chart = [...element.querySelectorAll('div')].map((each) => echarts.getInstanceByDom(each)).find(Boolean);
    if (drawn.type === 'timeseries' && chart) {
      const option = chart.getOption();
      drawn.series = option.series.map((series, n) => {
        const points = series.data?.length ? series.data : option.dataset[series.datasetIndex ?? n].source.slice();
        return {
          name: series.name,
          spans: Boolean(series.connectNulls),
          points: points.map(([time, value]) => [Number(time), typeof value === 'number' ? value : null]),
        }; // ECharts writes '-' for a missing value
      });
    }
    return drawn;
  });
