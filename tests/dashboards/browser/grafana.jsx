// Draws the trends of the overview with Grafana's time series (@grafana/ui). The data comes from
// query_range, converted as in Grafana's Prometheus source.
import { applyNullInsertThreshold, createDataFrame, createTheme, dateTime, FieldType, getDisplayProcessor, ThemeContext } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { dashed, END, PANELS, START, THEME, TITLE } from './board.js';

const theme = createTheme({ colors: { mode: THEME } });
const DAY = 86_400_000;
const UNIT = 56;
const plots = {};

const named = (legend, metric) => legend.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '').trim();
const own = (panel, name) =>
  panel.fieldConfig.overrides
    .filter((one) => new RegExp(`^(${one.matcher.options})$`).test(name))
    .flatMap((one) => one.properties);

async function frames(panel) {
  const { defaults } = panel.fieldConfig;
  const answers = await Promise.all(
    panel.targets.map(async (target) => {
      const body = new URLSearchParams({ query: target.expr, start: START / 1000, end: END / 1000, step: '1d' });
      const answer = await (await fetch('/prometheus/api/v1/query_range', { method: 'POST', body })).json();
      if (answer.status !== 'success') throw new Error(`${panel.title}: ${answer.error}`);
      return answer.data.result.map(({ metric, values }) => {
        const name = target.legendFormat === '__auto' ? Object.values(metric).join(', ') : named(target.legendFormat, metric);
        const custom = { ...defaults.custom };
        const config = { ...defaults, custom, displayName: name };
        for (const { id, value } of own(panel, name)) {
          const place = id.startsWith('custom.') ? custom : config;
          place[id.replace('custom.', '')] = value;
        }
        // With the step Grafana notices missing samples.
        return createDataFrame({
          refId: target.refId,
          fields: [
            { name: 'Time', type: FieldType.time, config: { interval: DAY }, values: values.map(([time]) => time * 1000) },
            { name, type: FieldType.number, config, values: values.map(([, value]) => Number(value)) },
          ],
        });
      });
    }),
  );
  const all = answers.flat();
  all.forEach((frame, n) =>
    frame.fields.forEach((field) => {
      field.state = { ...field.state, seriesIndex: n, displayName: field.config.displayName };
      field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
    }),
  );
  // Grafana's panel does this for every frame; the component alone would do it only for the first.
  return all.map((frame) => applyNullInsertThreshold({ frame, refFieldPseudoMin: START, refFieldPseudoMax: END }));
}

function Drawn({ panel }) {
  const [data, setData] = useState();
  useEffect(() => {
    frames(panel).then(setData);
  }, [panel]);
  const { x, y, w, h } = panel.gridPos;
  const range = { from: dateTime(START), to: dateTime(END), raw: { from: dateTime(START), to: dateTime(END) } };
  return (
    <div
      data-panel={`${panel.id} ${panel.title}`}
      style={{
        position: 'absolute',
        left: x * UNIT,
        top: y * 36 + 48,
        border: `1px solid ${theme.colors.border.weak}`,
        background: theme.colors.background.primary,
        boxSizing: 'border-box',
        width: w * UNIT - 8,
        height: h * 36 - 8,
      }}
    >
      <div style={{ fontWeight: 600, padding: '6px 8px', height: 18 }}>{panel.title}</div>
      {data?.length === 0 && (panel.fieldConfig.defaults.noValue ?? 'No data')}
      {data?.length > 0 && (
        <TimeSeries
          frames={data}
          structureRev={1}
          timeRange={range}
          timeZone="utc"
          width={w * UNIT - 16}
          height={h * 36 - 48}
          legend={panel.options.legend}
          options={panel.options}
        >
          {(config, aligned) => {
            config.addHook('draw', (plot) => {
              plots[`${panel.id} ${panel.title}`] = { plot, names: aligned.fields.slice(1).map((field) => field.config.displayName) };
            });
            return null;
          }}
        </TimeSeries>
      )}
    </div>
  );
}

function Page() {
  const lines = PANELS.filter(({ type }) => type === 'timeseries');
  const top = Math.min(...lines.map(({ gridPos }) => gridPos.y));
  const moved = lines.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y - top } }));
  return (
    <div
      style={{
        position: 'relative',
        width: 24 * UNIT,
        height: Math.max(...moved.map(({ gridPos }) => gridPos.y + gridPos.h)) * 36 + 56,
        fontFamily: 'sans-serif',
        fontSize: 13,
      }}
    >
      <h2 style={{ margin: 8 }}>@grafana/ui: {TITLE}</h2>
      {moved.map((panel) => (
        <Drawn key={panel.id} panel={panel} />
      ))}
    </div>
  );
}

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <Page />
  </ThemeContext.Provider>,
);

// Returns the drawn lines of uPlot to the test. uPlot interrupts a line at null and continues it over
// undefined.
window.drawn = () =>
  [...document.querySelectorAll('[data-panel]')].map((element) => {
    const { plot, names } = plots[element.dataset.panel] ?? {};
    return {
      panel: element.dataset.panel,
      type: 'timeseries',
      text: element.innerText,
      series: (plot?.series ?? []).slice(1).map((series, n) => ({
        name: names[n],
        spans: Boolean(series.spanGaps),
        points: plot.data[0].map((time, at) => [time, plot.data[n + 1][at] === undefined ? 'spanned' : plot.data[n + 1][at]]),
      })),
    };
  });
