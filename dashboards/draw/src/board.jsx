/** Grafana's page around the panels: title, variables, range of time, and the grid of 24 columns. */
import { dateTimeFormat } from '@grafana/data';
import { Icon, PanelChrome, useTheme2 } from '@grafana/ui';
import { Component } from 'react';

import { COLUMNS } from './layout';
import { Visual } from './visuals';

const CELL = 30;
const GAP = 8;
const EDGE = 16;

export function Board({ board, panels, variables, from, to, width, note }) {
  const theme = useTheme2();
  const inner = width - 2 * EDGE;
  const rows = Math.max(...panels.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h), 1);
  const page = { width, background: theme.colors.background.canvas, color: theme.colors.text.primary };
  return (
    <div style={page}>
      <Bar board={board} variables={variables} from={from} to={to} />
      <div style={{ position: 'relative', margin: `0 ${EDGE}px`, height: rows * (CELL + GAP) }}>
        {panels.map((prepared) => (
          <Cell key={prepared.panel.id ?? prepared.panel.title} prepared={prepared} width={inner} />
        ))}
      </div>
      <div style={{ padding: `4px ${EDGE}px 8px`, fontSize: 11, color: theme.colors.text.disabled }}>{note}</div>
    </div>
  );
}

function Bar({ board, variables, from, to }) {
  const theme = useTheme2();
  const format = (seconds) => dateTimeFormat(seconds * 1000, { format: 'YYYY-MM-DD HH:mm:ss', timeZone: 'utc' });
  const box = {
    border: `1px solid ${theme.components.input.borderColor}`,
    borderRadius: theme.shape.radius.default,
    background: theme.components.input.background,
    padding: '0 8px',
    lineHeight: '30px',
  };
  return (
    <div style={{ padding: `12px ${EDGE}px`, display: 'flex', flexWrap: 'wrap', gap: 8, alignItems: 'center' }}>
      <h1 style={{ fontSize: 18, fontWeight: 500, margin: '0 8px 0 0', width: '100%' }}>{board.title}</h1>
      {variables.map(({ name, label, text }) => (
        <div key={name} style={{ display: 'flex' }}>
          <div style={{ ...box, background: theme.colors.background.secondary, borderRight: 0 }}>{label}</div>
          <div style={{ ...box, minWidth: 60 }}>{text}</div>
        </div>
      ))}
      {(board.links ?? []).map((link) => (
        <div key={link.title} style={{ ...box, background: theme.colors.secondary.main, border: 0 }}>
          <Icon name={link.type === 'dashboards' ? 'apps' : 'external-link-alt'} /> {link.title}
        </div>
      ))}
      <div style={{ ...box, marginLeft: 'auto' }}>
        <Icon name="clock-nine" /> {format(from)} to {format(to)} UTC
      </div>
    </div>
  );
}

function Cell({ prepared, width }) {
  const { panel, own, replaceVariables } = prepared;
  const { x, y, w, h } = panel.gridPos;
  const column = (width - GAP * (COLUMNS - 1)) / COLUMNS;
  const size = {
    width: Math.floor(w * column + (w - 1) * GAP),
    height: h * CELL + (h - 1) * GAP,
  };
  const place = { position: 'absolute', left: x * (column + GAP), top: y * (CELL + GAP), ...size };
  const title = replaceVariables(panel.title ?? '');
  if (panel.type === 'row') {
    return <Row place={place} title={title} closed={panel.collapsed ? panel.panels.length : 0} />;
  }
  return (
    <div style={place}>
      <PanelChrome
        {...size}
        title={title}
        description={panel.description && replaceVariables(panel.description)}
        displayMode={panel.transparent ? 'transparent' : 'default'}
        padding={panel.type === 'table' ? 'none' : 'md'}
        titleItems={own ? <Own text={own} /> : undefined}
      >
        {(innerWidth, innerHeight) => (
          <Guard>
            <Visual {...prepared} width={innerWidth} height={innerHeight} />
          </Guard>
        )}
      </PanelChrome>
    </div>
  );
}

function Own({ text }) {
  const theme = useTheme2();
  return (
    <span style={{ fontSize: 12, color: theme.colors.text.link, padding: '0 8px', whiteSpace: 'nowrap' }}>
      <Icon name="clock-nine" size="sm" /> {text}
    </span>
  );
}

function Row({ place, title, closed }) {
  const theme = useTheme2();
  return (
    <div style={{ ...place, display: 'flex', alignItems: 'center', gap: 8, fontWeight: 500 }}>
      <Icon name={closed ? 'angle-right' : 'angle-down'} />
      {title}
      {closed > 0 && <span style={{ color: theme.colors.text.secondary, fontSize: 12 }}>({closed} panels)</span>}
    </div>
  );
}

/** One broken panel says so in its place, and makes the whole drawing fail. */
class Guard extends Component {
  state = { trouble: null };

  static getDerivedStateFromError(trouble) {
    return { trouble };
  }

  componentDidCatch(trouble) {
    window.troubles.push(String(trouble.stack ?? trouble));
  }

  render() {
    return this.state.trouble ? <pre>{String(this.state.trouble)}</pre> : this.props.children;
  }
}
