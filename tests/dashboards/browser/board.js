// A dashboard as a client should draw it (?board=, ?unit=, ?theme=): draw.py has filled its variables
// and repeated its panels, for the newest month and the three years with figures.
import boards from './boards.json';

const asked = new URLSearchParams(location.search);
const board = boards[`${asked.get('board')} ${asked.get('unit')}`];

export const START = Date.UTC(2019, 0, 1);
export const END = Date.UTC(2022, 0, 1);
export const THEME = asked.get('theme') ?? 'light';
export const TITLE = `${board.title} — ${asked.get('unit')}`;
export const PANELS = board.panels;
document.body.style.background = THEME === 'dark' ? '#111217' : '#f4f5f5';
document.body.style.color = THEME === 'dark' ? '#ccccdc' : '#24292e';

// The fields that are drawn with a dashed line, as a test of their name.
export const dashed = (panel) => {
  const marked = panel.fieldConfig.overrides.filter((one) => one.properties.some(({ id }) => id === 'custom.lineStyle'));
  return (name) => marked.some((one) => new RegExp(`^(${one.matcher.options})$`).test(name));
};

// The column titles of an `organize` transformation.
export const columns = (panel) => panel.transformations.find(({ id }) => id === 'organize').options;
