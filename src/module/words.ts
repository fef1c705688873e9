/**
 * The words of a command that was given as one string: split at white space, with quotes and backslashes as in a shell.
 * @throws if it holds what only a shell understands, or a quote is open at the end.
 */
export function words(command: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < command.length; at++) {
    const letter = command[at] ?? '';
    if (quote === "'") {
      if (letter === quote) quote = '';
      else word = (word ?? '') + letter;
    } else if (letter === '\\') {
      at += 1;
      if (at === command.length) throw new Error('it ends in a backslash');
      const next = command[at] ?? '';
      // Inside double quotes a backslash escapes only what is special there.
      word = (word ?? '') + (quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next);
    } else if (quote === '' && /\s/.test(letter)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else if (letter === '"' || (letter === "'" && quote === '')) {
      quote = quote === letter ? '' : letter;
      word ??= '';
    } else if ('$`'.includes(letter) || (quote === '' && /[|&;<>()*?~#]/.test(letter))) {
      throw new Error(
        `no shell reads the ${letter} in it; write a script, or give a list, in which it is taken as it is`,
      );
    } else word = (word ?? '') + letter;
  }
  if (quote !== '') throw new Error(`a ${quote} is open at its end`);
  if (word !== undefined) found.push(word);
  return found;
}
