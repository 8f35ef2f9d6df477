/** Answers of Prometheus and Jaeger become the data frames that Grafana's own data sources would make of them. */
import { FieldType, findCommonLabels, getFieldDisplayName, toDataFrame } from '@grafana/data';

/**
 * @param answers what the results file has for one panel: [{refId, type, result}]
 * @param targets the panel's queries, for legendFormat, format and hide
 */
export function toFrames(answers, targets) {
  const asked = answers
    .map((answer) => ({ ...answer, target: targets.find((target) => target.refId === answer.refId) ?? {} }))
    .filter(({ target }) => !target.hide);
  const tables = asked.filter(({ type, target }) => type !== 'jaeger' && target.format === 'table');
  return asked.flatMap((answer) => {
    if (answer.type === 'jaeger') {
      return [traces(answer)];
    }
    if (tables.includes(answer)) {
      return [table(answer, tables.length > 1)];
    }
    const interval = step(answer.result);
    const frames = answer.result.map((series) => timeSeries(series, answer, interval));
    return answer.target.legendFormat === '__auto' ? named(frames) : frames;
  });
}

/** Legend "Auto": of the labels, those that tell the series of one query apart. */
function named(frames) {
  const values = frames.map((frame) => frame.fields[1]);
  const common = frames.length > 1 ? findCommonLabels(values.map(({ labels }) => labels)) : {};
  values.forEach((field, index) => {
    if (field.labels.__name__) {
      field.config.displayNameFromDS = getFieldDisplayName({ ...field }, frames[index], frames, common);
    }
  });
  return frames;
}

function timeSeries(series, { refId, target }, interval) {
  const points = pointsOf(series);
  const name = legend(series.metric, target);
  return toDataFrame({
    refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval }, values: points.map(([time]) => time) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: series.metric,
        config: name ? { displayNameFromDS: name } : {},
        values: points.map(([, value]) => value),
      },
    ],
  });
}

/** One frame for the whole answer: a column for each label. Several such queries in a panel have numbered values. */
function table({ refId, result }, several) {
  const labels = [...new Set(result.flatMap((series) => Object.keys(series.metric).sort()))];
  const rows = result.flatMap((series) => pointsOf(series).map((point) => ({ metric: series.metric, point })));
  rows.sort((one, other) => one.point[0] - other.point[0]);
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(({ point }) => point[0]) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: rows.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${refId}` : 'Value',
        type: FieldType.number,
        values: rows.map(({ point }) => point[1]),
      },
    ],
  });
}

/** The table that Grafana's Jaeger data source makes of a search; times are microseconds there. */
function traces({ refId, result }) {
  const rows = result.map((trace) => {
    const ids = new Set(trace.spans.map((span) => span.spanID));
    const isRoot = (span) => !(span.references ?? []).some((reference) => ids.has(reference.spanID));
    const root = trace.spans.find(isRoot) ?? trace.spans[0];
    const end = Math.max(...trace.spans.map((span) => span.startTime + span.duration));
    const start = Math.min(...trace.spans.map((span) => span.startTime));
    return {
      id: trace.traceID,
      name: `${trace.processes?.[root.processID]?.serviceName ?? ''}: ${root.operationName}`,
      start,
      duration: end - start,
    };
  });
  rows.sort((one, other) => other.start - one.start);
  const column = (name, displayNameFromDS, type, values, unit) => ({
    name,
    type,
    config: { displayNameFromDS, unit },
    values,
  });
  return toDataFrame({
    refId,
    fields: [
      column('traceID', 'Trace ID', FieldType.string, rows.map((row) => row.id)),
      column('traceName', 'Trace name', FieldType.string, rows.map((row) => row.name)),
      column('startTime', 'Start time', FieldType.time, rows.map((row) => row.start / 1000)),
      column('duration', 'Duration', FieldType.number, rows.map((row) => row.duration), 'µs'),
    ],
  });
}

function pointsOf(series) {
  const pairs = series.values ?? (series.value ? [series.value] : []);
  return pairs.map(([seconds, text]) => [seconds * 1000, number(text)]);
}

function number(text) {
  const infinity = /^([+-]?)inf/i.exec(text);
  return infinity ? Number(`${infinity[1]}Infinity`) : Number(text);
}

/** A missing sample leaves a gap only where the step is known; the answer does not tell it, its times do. */
function step(result) {
  let least = Infinity;
  for (const { values = [] } of result) {
    for (let index = 1; index < values.length; index++) {
      least = Math.min(least, (values[index][0] - values[index - 1][0]) * 1000);
    }
  }
  return Number.isFinite(least) ? least : undefined;
}

/** As Grafana's Prometheus data source names a series; '' leaves it to @grafana/data, which says what differs. */
function legend(metric, { legendFormat = '', expr = '' }) {
  if (legendFormat && legendFormat !== '__auto') {
    return legendFormat.replace(/\{\{\s*(.+?)\s*\}\}/g, (whole, label) => metric[label] ?? '');
  }
  const { __name__: name = '', ...labels } = metric;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  if (!name && !pairs.length) {
    return expr;
  }
  return legendFormat === '__auto' ? '' : `${name}${pairs.length ? `{${pairs.join(', ')}}` : ''}`;
}
