/** What Grafana does between a query's answer and a drawing: transformations, then units, colours and names. */
import {
  FieldColorModeId,
  ThresholdsMode,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  dateTime,
  rangeUtil,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';

import { toFrames } from './frames';

standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(standardTransformers))].map((transformer) => ({ // one of them has two names
    id: transformer.id,
    name: transformer.name,
    transformation: async () => transformer,
  }))
);

/** What Grafana's panels assume where the board says nothing. */
const CUSTOM = {
  timeseries: {
    drawStyle: 'line',
    lineInterpolation: 'linear',
    lineWidth: 1,
    fillOpacity: 0,
    gradientMode: 'none',
    showPoints: 'auto',
    pointSize: 5,
    axisPlacement: 'auto',
    axisBorderShow: false,
    spanNulls: false,
    stacking: { mode: 'none', group: 'A' },
    thresholdsStyle: { mode: 'off' },
    hideFrom: { legend: false, tooltip: false, viz: false },
    scaleDistribution: { type: 'linear' },
  },
};
const WORDS = new Set(['row', 'text']);
const BY_SERIES = new Set(['timeseries', 'barchart', 'state-timeline', 'status-history']);

/** A panel's frames, ready to be drawn, its range of time and the words that tell of a range of its own. */
export async function prepare(panel, answers, { from, to, replaceVariables, theme }) {
  const raw = toFrames(answers, panel.targets ?? []);
  const data = await transform(panel.transformations ?? [], raw, replaceVariables);
  const frames = applyFieldOverrides({
    data,
    fieldConfig: fieldConfig(panel),
    fieldConfigRegistry: registry(panel),
    replaceVariables,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(frames); // the table reads names from there only
  const own = panel.timeFrom ? rangeUtil.describeTimeRange({ from: `now-${panel.timeFrom}`, to: 'now' }) : '';
  const start = panel.timeFrom ? to - rangeUtil.intervalToSeconds(panel.timeFrom) : from;
  const range = { from: dateTime(start * 1000).utc(), to: dateTime(to * 1000).utc() };
  const empty = !WORDS.has(panel.type) && frames.every((frame) => frame.length === 0);
  return { panel, frames, empty, own, timeRange: { ...range, raw: range }, replaceVariables };
}

function transform(transformations, frames, interpolate) {
  return new Promise((resolve, reject) => {
    transformDataFrame(transformations, frames, { interpolate }).subscribe({ next: resolve, error: reject });
  });
}

function fieldConfig({ type, fieldConfig: { defaults = {}, overrides = [] } = {} }) {
  const steps = defaults.thresholds?.steps ?? [{ value: null, color: 'green' }, { value: 80, color: 'red' }];
  const color = { mode: BY_SERIES.has(type) ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds };
  return {
    defaults: {
      ...defaults,
      color: defaults.color ?? color,
      thresholds: {
        mode: defaults.thresholds?.mode ?? ThresholdsMode.Absolute,
        steps: steps.map((step) => ({ ...step, value: step.value ?? -Infinity })), // JSON has no -Infinity
      },
      custom: { ...CUSTOM[type], ...defaults.custom },
    },
    overrides,
  };
}

/**
 * Grafana registers an editor for each setting and asks the registry which settings there are; the editors are in
 * Grafana itself, not in its packages. Those that this board uses are enough.
 */
function registry(panel) {
  const { defaults, overrides } = fieldConfig(panel);
  const plain = Object.keys(defaults).filter((key) => key !== 'custom');
  const custom = Object.keys(defaults.custom).map((key) => `custom.${key}`);
  const overridden = overrides.flatMap((rule) => rule.properties.map((property) => property.id));
  const items = new Map(
    [...plain, ...custom, ...overridden].map((id) => [
      id,
      {
        id,
        path: id.replace(/^custom\./, ''),
        isCustom: id.startsWith('custom.'),
        process: (value) => structuredClone(value),
        shouldApply: () => true,
      },
    ])
  );
  return { getIfExists: (id) => items.get(id), list: () => [...items.values()] };
}
