/** Grafana's panels, as thin as they are there: each hands prepared frames to a component of @grafana/ui. */
import {
  FieldType,
  VizOrientation,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  renderTextPanelMarkdown,
} from '@grafana/data';
import {
  BarGauge,
  BigValue,
  RenderUserContentAsHTML,
  TimeSeries,
  VizRepeater,
  useTheme2,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

import { BarChart, StateTimeline } from './standins';

const VISUALS = {
  stat: Stat,
  bargauge: Gauges,
  gauge: Gauges,
  timeseries: Lines,
  table: Rows,
  text: Words,
  barchart: BarChart,
  'state-timeline': StateTimeline,
  'status-history': StateTimeline,
};

export function Visual(props) {
  const { panel, empty, height } = props;
  const Drawn = VISUALS[panel.type];
  if (!Drawn) {
    return <Middle height={height}>Panels of type {panel.type} are not drawn here</Middle>;
  }
  const noValue = panel.fieldConfig?.defaults?.noValue;
  if (empty && !(noValue && panel.type === 'stat')) {
    return <Middle height={height}>{noValue ?? 'No data'}</Middle>;
  }
  return <Drawn {...props} options={panel.options ?? {}} />;
}

function Middle({ children, height }) {
  const theme = useTheme2();
  const style = { height, display: 'grid', placeItems: 'center', color: theme.colors.text.secondary };
  return <div style={style}>{children}</div>;
}

function useValues({ panel, frames, options, replaceVariables }, more) {
  const theme = useTheme2();
  return () =>
    getFieldDisplayValues({
      fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
      reduceOptions: { calcs: ['lastNotNull'], values: false, ...options.reduceOptions },
      replaceVariables,
      theme,
      data: frames,
      timeZone: 'utc',
      ...more,
    });
}

function Stat(props) {
  const { frames, options, width, height } = props;
  const theme = useTheme2();
  const graphMode = options.graphMode ?? 'area';
  const orientation = options.orientation ?? VizOrientation.Auto;
  const around = width > height ? VizOrientation.Vertical : VizOrientation.Horizontal;
  const getValues = useValues(props, {
    sparkline: graphMode !== 'none',
    percentChange: options.showPercentChange,
  });
  return (
    <VizRepeater
      getValues={getValues}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={frames}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      orientation={orientation}
      width={width}
      height={height}
      renderValue={({ value, alignmentFactors, width, height, count }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          colorMode={options.colorMode ?? 'value'}
          graphMode={graphMode}
          justifyMode={options.justifyMode ?? 'auto'}
          textMode={options.textMode ?? 'auto'}
          alignmentFactors={alignmentFactors}
          parentOrientation={orientation === VizOrientation.Auto ? around : orientation}
          text={options.text}
          percentChangeColorMode={options.percentChangeColorMode}
          disableWideLayout={options.wideLayout === false}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}

function Gauges(props) {
  const { frames, options, width, height } = props;
  const theme = useTheme2();
  const orientation = options.orientation ?? VizOrientation.Auto;
  return (
    <VizRepeater
      getValues={useValues(props)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={frames}
      itemSpacing={10}
      renderCounter={0}
      minVizWidth={options.minVizWidth ?? 8}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.maxVizHeight ?? 300}
      orientation={orientation}
      width={width}
      height={height}
      renderValue={({ value, alignmentFactors, orientation, width, height, count }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          orientation={orientation}
          width={width}
          height={height}
          text={options.text}
          theme={theme}
          itemSpacing={count > 8 ? 2 : 4}
          displayMode={options.displayMode ?? 'gradient'}
          alignmentFactors={count > 1 ? alignmentFactors : undefined}
          showUnfilled={options.showUnfilled ?? true}
          valueDisplayMode={options.valueMode ?? 'color'}
          namePlacement={options.namePlacement ?? 'auto'}
        />
      )}
    />
  );
}

function Lines({ frames, options, timeRange, width, height }) {
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...options.legend };
  return (
    <TimeSeries
      frames={frames}
      legend={legend}
      options={options}
      timeRange={timeRange}
      timeZone="utc"
      width={width}
      height={height}
    />
  );
}

function Rows({ frames, options, panel, timeRange, width, height }) {
  const shown = frames[options.frameIndex ?? 0] ?? frames[0];
  const data = { ...shown, fields: shown.fields.filter((field) => !hidden(field)) };
  return (
    <TableNG
      data={data}
      width={width}
      height={height}
      noHeader={options.showHeader === false}
      showTypeIcons={options.showTypeIcons}
      sortBy={options.sortBy ?? []}
      cellHeight={options.cellHeight ?? 'sm'}
      frozenColumns={options.frozenColumns?.left}
      enablePagination={options.enablePagination}
      fieldConfig={panel.fieldConfig}
      timeRange={timeRange}
      resizable
      enableVirtualization={false}
    />
  );
}

function hidden(field) {
  return field.config.custom?.hidden || field.config.custom?.hideFrom?.viz || field.type === FieldType.frame;
}

function Words({ options, replaceVariables, height }) {
  const html = renderTextPanelMarkdown(replaceVariables(options.content ?? ''));
  return (
    <div style={{ height, overflow: 'hidden' }}>
      <RenderUserContentAsHTML className="markdown-html" content={html} />
    </div>
  );
}
