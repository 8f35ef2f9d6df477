/**
 * Plain drawings of what @grafana/ui does not export: Grafana draws its state timeline and bar chart in its own code.
 * They keep names, colours, mappings and units, and say in the picture what they are.
 */
import { FieldType, dateTimeFormat, formattedValueToString, getFieldDisplayName } from '@grafana/data';
import { ScrollContainer, VizLegend, useTheme2 } from '@grafana/ui';

const AXIS = 20;
const LEGEND = 28;
const HOUR = 3600e3;
const STEPS = [1 / 60, 1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168]; // hours between two marks
const NOTE = 'plain stand-in: not in @grafana/ui';

/** Spans of one value, one row for each series. */
export function StateTimeline({ frames, timeRange, options, width, height }) {
  const theme = useTheme2();
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const rows = frames.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    const states = frame.fields.filter((field) => field !== time && !field.config.custom?.hideFrom?.viz);
    return time ? states.map((field) => row(field, time, frame, frames, [from, to])) : [];
  });
  const names = Math.min(Math.max(...rows.map(({ name }) => name.length * 6.6 + 12)), width * 0.35);
  const plot = width - names;
  const place = (time) => Math.round(((time - from) / (to - from)) * plot);
  const each = Math.max((height - AXIS - LEGEND) / rows.length, 14);
  const thick = Math.round(each * (options.rowHeight ?? 0.9));
  return (
    <div style={{ width, height, overflow: 'hidden', fontSize: 12, color: theme.colors.text.primary }}>
      {rows.map(({ name, spans }, index) => (
        <div key={index} style={{ display: 'flex', height: each, alignItems: 'center' }}>
          <div style={{ ...CUT, width: names, paddingRight: 8, textAlign: 'right' }}>{name}</div>
          <div style={{ position: 'relative', width: plot, height: thick }}>
            {spans.map((span) => (
              <div
                key={span.from}
                style={{
                  ...CUT,
                  position: 'absolute',
                  left: place(span.from),
                  width: Math.max(place(span.to) - place(span.from), 1),
                  height: thick,
                  lineHeight: `${thick}px`,
                  paddingLeft: place(span.to) - place(span.from) > 24 ? 4 : 0,
                  background: span.color,
                  color: theme.colors.getContrastText(span.color ?? '#000'),
                }}
              >
                {place(span.to) - place(span.from) > span.text.length * 7 + 8 ? span.text : ''}
              </div>
            ))}
          </div>
        </div>
      ))}
      <Times from={from} to={to} place={place} left={names} />
      <Foot items={options.legend?.showLegend === false ? [] : key(rows)} />
    </div>
  );
}

const CUT = { overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', boxSizing: 'border-box' };

function row(field, time, frame, frames, [from, to]) {
  const step = time.config.interval ?? Infinity;
  const spans = [];
  field.values.forEach((value, index) => {
    const start = Math.max(time.values[index], from);
    const next = time.values[index + 1] ?? to;
    const end = Math.min(next - time.values[index] > 1.5 * step ? time.values[index] + step : next, to);
    const last = spans.at(-1);
    if (value === null || value === undefined || end <= start) {
      return;
    }
    if (last?.value === value && last.to === start) {
      last.to = end;
    } else {
      const display = field.display(value);
      spans.push({ value, from: start, to: end, color: display.color, text: formattedValueToString(display) });
    }
  });
  return { name: getFieldDisplayName(field, frame, frames), spans };
}

function Times({ from, to, place, left }) {
  const theme = useTheme2();
  const step = STEPS.find((hours) => (to - from) / (hours * HOUR) <= 10) ?? STEPS.at(-1);
  const format = step % 24 ? 'HH:mm' : 'MM/DD';
  const first = Math.ceil(from / (step * HOUR)) * step * HOUR;
  const ticks = Array.from({ length: 11 }, (_, index) => first + index * step * HOUR).filter(
    (tick) => place(tick) < place(to) - 18 // half a label
  );
  return (
    <div style={{ position: 'relative', height: AXIS, left, color: theme.colors.text.secondary }}>
      {ticks.map((tick) => (
        <span key={tick} style={{ position: 'absolute', left: place(tick), transform: 'translateX(-50%)' }}>
          {dateTimeFormat(tick, { format, timeZone: 'utc' })}
        </span>
      ))}
    </div>
  );
}

function key(rows) {
  const colors = new Map(rows.flatMap(({ spans }) => spans.map(({ text, color }) => [text, color])));
  return [...colors].map(([label, color]) => ({ label, color, yAxis: 1 }));
}

function Foot({ items = [] }) {
  const theme = useTheme2();
  return (
    <div style={{ display: 'flex', height: LEGEND, alignItems: 'center' }}>
      <VizLegend items={items} displayMode="list" placement="bottom" />
      <span style={{ marginLeft: 'auto', whiteSpace: 'nowrap', fontSize: 11, color: theme.colors.text.disabled }}>{NOTE}</span>
    </div>
  );
}

/** A bar for each number, named by its row's text; always lying, whichever way Grafana would turn them. */
export function BarChart({ frames, width, height }) {
  const theme = useTheme2();
  const bars = frames.flatMap((frame) => {
    const text = frame.fields.find((field) => field.type === FieldType.string);
    const numbers = frame.fields.filter((field) => field.type === FieldType.number);
    return numbers.flatMap((field) =>
      field.values.map((value, index) => {
        const series = getFieldDisplayName(field, frame, frames);
        const name = text ? [text.values[index], numbers.length > 1 ? series : ''].filter(Boolean).join(' · ') : series;
        return { name, value: value ?? 0, display: field.display(value) };
      })
    );
  });
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  return (
    <div style={{ width, height, fontSize: 12, color: theme.colors.text.primary }}>
      <div style={{ height: height - LEGEND }}>
        <ScrollContainer>
          {bars.map(({ name, value, display }, index) => (
            <div key={index} style={{ display: 'flex', height: 24, alignItems: 'center', gap: 8 }}>
              <div style={{ ...CUT, width: '30%', textAlign: 'right' }}>{name}</div>
              <div style={{ width: `${(value / most) * 55}%`, minWidth: 1, height: 16, background: display.color }} />
              <div>{formattedValueToString(display)}</div>
            </div>
          ))}
        </ScrollContainer>
      </div>
      <Foot />
    </div>
  );
}
