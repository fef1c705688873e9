/** The page's own script and style, compiled by the build from `src/page/`. */
declare module 'fleet-script' {
  const script: string;
  export default script;
}
declare module 'fleet-style' {
  const style: string;
  export default style;
}
