/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

type Content = string | Node;

/** An element. What is a string becomes text, whatever is in it. @param attributes `class`, `aria-…`; none that runs anything */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly Content[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

/** A text in which what stands between backticks is code. */
export const prose = (text: string): Content[] =>
  text.split('`').map((part, index) => (index % 2 === 1 ? element('code', {}, part) : part));

/** A drawing of 100 by 28, stretched to its place. */
export function drawing(
  label: string,
  ...shapes: readonly [string, Readonly<Record<string, string | number>>][]
): SVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const made = document.createElementNS(namespace, 'svg');
  for (const [key, value] of Object.entries({
    viewBox: '0 0 100 28',
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': label,
  }))
    made.setAttribute(key, value);
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS(namespace, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, String(value));
    made.append(shape);
  }
  return made;
}
