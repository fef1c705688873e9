/** The syntaxes that only Borg's settings are written in; see `patterns.ts`. */

/** `ssh://[user@]host[:port]/path`. @see borg(1) "Repository URLs" */
export const sshRepository = String.raw`ssh://(?:[A-Za-z0-9._-]+@)?(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/[^\x00-\x20\x7f]+`;

/** A Borg compression. @see borg-compression(1) */
export const compression = '(?:auto,)?(?:none|lz4|zstd(?:,(?:[1-9]|1[0-9]|2[0-2]))?|zlib(?:,[0-9])?|lzma(?:,[0-9])?)';

/** How Borg cuts files into chunks. Exponents up to 23, the largest chunk that Borg takes. @see borg-create(1) "--chunker-params" */
const exponent = '(?:[6-9]|1[0-9]|2[0-3])';
export const chunkerParams = `(?:buzhash,${exponent},${exponent},${exponent},[0-9]{1,5}|fixed,[0-9]{3,7}(?:,[0-9]{1,9})?)`;
