/** Reads the board and its results, draws them, and says in window.drawn when there is nothing left to wait for. */
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import { createTheme } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PortalContainer, ThemeContext } from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import manifest from '../package.json';
import { Board } from './board';
import { laidOut, numbered } from './layout';
import { prepare } from './panel';
import { interpolator, shownVariables } from './variables';

const NOTE = `Drawn from the board's JSON with Grafana's components (@grafana/ui ${manifest.dependencies['@grafana/ui']}), not by Grafana.`;

async function draw() {
  const [board, results] = await Promise.all(['board.json', 'results.json'].map(read));
  const { from, to, panels: answers = {} } = results;
  const theme = createTheme({ colors: { mode: 'dark' } });
  await initPluginTranslations('grafana', []); // English is in the components themselves
  const replaceVariables = interpolator(board, results);
  const context = { from, to, replaceVariables, theme };
  const { placed, moved } = laidOut(numbered(board.panels), results.open);
  const panels = await Promise.all(placed.map((panel) => prepare(panel, answers[panel.id] ?? [], context)));
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Board
        board={board}
        panels={panels}
        variables={shownVariables(board, results)}
        from={from}
        to={to}
        width={window.innerWidth}
        note={NOTE}
      />
      <PortalContainer />
    </ThemeContext.Provider>
  );
  await settled();
  const name = ({ id, title }) => `${id} ${replaceVariables(title)}`;
  const root = document.getElementById('root');
  window.drawn = {
    height: Math.ceil(root.scrollHeight),
    empty: panels.filter(({ empty }) => empty).map(({ panel }) => name(panel)),
    moved: moved.map(name),
    text: root.innerText,
  };
}

const read = async (name) => (await fetch(name)).json();

/** Fonts are there, icons too, and the page has stopped changing. */
async function settled() {
  const loaded = () => performance.getEntriesByType('resource').length + document.body.innerHTML.length;
  await document.fonts.ready;
  for (let before = -1, quiet = 0; quiet < 4; ) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const now = loaded();
    quiet = now === before ? quiet + 1 : 0;
    before = now;
  }
}

draw().catch((error) => window.troubles.push(String(error.stack ?? error)));
