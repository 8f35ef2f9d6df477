/** Variables of the board: what is shown in the bar, and what stands for $name in titles and texts. */

export function shownVariables(board, { variables = {} }) {
  return (board.templating?.list ?? [])
    .filter((variable) => !String(variable.hide ?? '').match(/^(2|hideVariable)$/))
    .map((variable) => ({
      name: variable.name,
      label: variable.label || variable.name,
      text: variables[variable.name] ?? current(variable),
    }));
}

/** A function for @grafana/data: $name, ${name}, ${name:format} and [[name]], and its own ${__field…} and the like. */
export function interpolator(board, { variables = {} }) {
  const texts = new Map((board.templating?.list ?? []).map((variable) => [variable.name, current(variable)]));
  Object.entries(variables).forEach(([name, text]) => texts.set(name, text));
  return (text = '', scoped = {}) =>
    text.replace(/\$\{([\w.]+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]/g, (whole, braced, plain, old) => {
      const name = braced ?? plain ?? old;
      const [first, ...path] = name.split('.');
      const value = scoped[name] ?? scoped[first];
      if (value) {
        return String(path.reduce((at, key) => at?.[key], value.value) ?? value.text ?? value.value);
      }
      return texts.get(name) ?? whole;
    });
}

function current({ current: { text = '' } = {}, query }) {
  const chosen = Array.isArray(text) ? text.join(' + ') : text;
  return chosen || (typeof query === 'string' ? query : '');
}
