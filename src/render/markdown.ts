/** A Markdown table; cells may not break the row. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
  return row(header) + row(header.map(() => '---')) + rows.map(row).join('');
}
