export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The value as it is written at the end of the bar. */
  readonly text: string;
  /** Drawn in the colour of what this collection does. */
  readonly ours?: boolean;
}

export interface Chart {
  /** The end of the file's name: `docs/bench-NAME.svg`. */
  readonly name: string;
  readonly title: string;
  readonly bars: readonly Bar[];
}

const [width, height, margin, labels, values, wide] = [7.4, 26, 12, 320, 96, 820];

/** Horizontal bars as an SVG picture that can be read on a bright and on a dark page. @throws if a value cannot be drawn. */
export function bars({ title, bars }: Chart): string {
  const bad = bars.find(({ value }) => !Number.isFinite(value) || value < 0);
  if (bad !== undefined)
    throw new Error(`${title}: ${bad.label} is ${bad.value}; a bar is as long as a number from 0 on`);
  const longest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const room = wide - 2 * margin - labels - values;
  const rows = bars.map(({ label, value, text, ours }, index) => {
    const top = 44 + index * height;
    const length = Math.max(1, (value / longest) * room);
    const end = margin + labels + length;
    return `<text x="${margin + labels - 8}" y="${top + 16}" text-anchor="end">${xml(shorten(label))}</text>
<rect x="${margin + labels}" y="${top + 3}" width="${length.toFixed(1)}" height="${height - 8}" fill="${ours === true ? '#1a7f5a' : '#8c959f'}"/>
<text x="${(end + 6).toFixed(1)}" y="${top + 16}">${xml(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${44 + bars.length * height + margin}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2328">
<title>${xml(title)}</title>
<rect width="100%" height="100%" rx="6" fill="#ffffff"/>
<text x="${margin}" y="26" font-size="15" font-weight="bold">${xml(title)}</text>
${rows.join('\n')}
</svg>
`;
}

/** A label that ends before the picture does. */
const shorten = (label: string): string =>
  label.length * width <= labels ? label : `${label.slice(0, Math.floor(labels / width) - 1)}…`;

const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
