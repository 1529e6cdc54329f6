// The type of a dashboard file, composed of Grafana's published types. Grafana's `Dashboard` does not
// restrict the options, custom field options and queries of a panel. Here each panel has exactly those of
// its type, so that a misspelt field is an error, too.
import type { AnnotationQuery, Dashboard, DataQuery, FieldConfig, Panel, RowPanel, VariableModel } from '@grafana/schema';
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { FieldConfig as TableField, Options as Table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { FieldConfig as SeriesField, Options as Series } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';

// A file has strings where the types have enumerations.
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

type Prometheus = Omit<Dataquery, '_implementsDataqueryVariant'>;

// The Infinity source publishes no types; these follow its documentation.
interface Infinity extends Pick<DataQuery, 'refId' | 'datasource'> {
  type: 'json';
  source: 'url';
  parser: 'backend';
  format: 'table' | 'timeseries' | 'dataframe';
  url: string;
  url_options: { method: 'GET'; data: '' };
  root_selector: string;
  filters: [];
  columns: { selector: string; text: string; type: 'string' | 'number' | 'timestamp'; timestampFormat?: string }[];
}

// No other fields. Fields that overrides can set are optional.
type Config<Custom> = Omit<NonNullable<Panel['fieldConfig']>, 'defaults'> & { defaults: Omit<FieldConfig, 'custom'> & { custom?: Partial<Custom> } };

type Of<Type extends string, Options, Custom> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Type;
  options: Options;
  fieldConfig: Config<Custom>;
  targets: (Prometheus | Infinity)[];
};

type Panels = Of<'timeseries', Series, SeriesField> | Of<'stat', Stat, {}> | Of<'table', Table, TableField> | Of<'bargauge', BarGauge, {}> | RowPanel;

// Annotations of the Prometheus source have these beside the query (prepareAnnotation, processEvents in
// @grafana/prometheus).
type Annotation = Omit<AnnotationQuery, 'target'> & { target?: Prometheus | Infinity; titleFormat?: string; textFormat?: string; tagKeys?: string };

type Variable = Omit<VariableModel, 'query'> & {
  query?:
    string | { qryType: number; query: string; refId: string; metric?: string; label?: string } | { queryType: 'infinity'; query: ''; infinityQuery: Infinity };
};

export type File = Plain<
  Omit<Dashboard, 'panels' | 'annotations' | 'templating'> & { panels: Panels[]; annotations: { list: Annotation[] }; templating: { list: Variable[] } }
>;
