// The province overview as a client should draw it: the sample province (or ?unit=), its newest month,
// and the three years with figures.
import board from './egov-overview.json';

export const START = Date.UTC(2019, 0, 1);
export const END = Date.UTC(2022, 0, 1);
export const VARIABLES = { unit: new URLSearchParams(location.search).get('unit') ?? 'sample', at: String(Date.UTC(2021, 11, 1) / 1000) };
export const TITLE = `${board.title} — ${VARIABLES.unit}`;
export const PANELS = board.panels.filter((panel) => panel.type !== 'row');

// Fields that are drawn with a dashed line.
export const dashed = (panel) =>
  panel.fieldConfig.overrides.filter((one) => one.properties.some(({ id }) => id === 'custom.lineStyle')).map((one) => one.matcher.options);

// The column titles of an `organize` transformation.
export const columns = (panel) => panel.transformations.find(({ id }) => id === 'organize').options;
