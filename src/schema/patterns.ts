/**
 * The syntaxes that settings are written in, as regular expressions.
 * Not anchored: whoever uses one matches the whole value.
 */

/** Control characters end a line in a unit file, a list or a log, so no setting may hold one. */
export const printable = String.raw`[^\x00-\x1f\x7f\x85\u2028\u2029]`;

/** An absolute path without `.` or `..` components. @see systemd.exec(5) "Paths" */
export const absolutePath = `/(?!(?:.*/)?\\.{1,2}(?:/|$))${printable}*`;

const unit = '(?:us|usec|ms|msec|s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|w|weeks?|M|months?|y|years?)';

/** A finite time span. @see systemd.time(7) "Parsing time spans" */
export const timeSpan = `[0-9]+(?:\\.[0-9]+)?\\s*${unit}?(?:\\s*[0-9]+(?:\\.[0-9]+)?\\s*${unit})*`;

/** One that is not zero: `TimeoutStartSec=0` would be no limit at all. @see systemd.service(5) */
export const timeLimit = `(?=.*[1-9])${timeSpan}`;

const list = (item: string): string => `${item}(?:,${item})*`;
const number = (digits: string): string => list(`(?:\\*|[0-9]{${digits}}(?:\\.\\.[0-9]{${digits}})?)(?:/[0-9]+)?`);
const day = '(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)';
const days = list(`${day}(?:(?:\\.\\.|-)${day})?`);
const date = `(?:(?:${number('2,4')}-)?${number('1,2')}[-~]${number('1,2')})`;
const seconds = list('(?:\\*|[0-9]{1,2}(?:\\.[0-9]+)?(?:\\.\\.[0-9]{1,2}(?:\\.[0-9]+)?)?)(?:/[0-9]+(?:\\.[0-9]+)?)?');
const time = `(?:${number('1,2')}:${number('1,2')}(?::${seconds})?)`;
const zone = '(?:UTC|[A-Z][A-Za-z_]*(?:/[A-Za-z0-9_+-]+)+)';
const shorthand = '(?:minutely|hourly|daily|monthly|weekly|yearly|quarterly|annually|semiannually)';

/** A calendar event, as `OnCalendar=` takes it. @see systemd.time(7) "Calendar events" */
export const calendarEvent = `(?:${shorthand}|${days}(?:,? ${date})?(?: ${time})?|${date}(?: ${time})?|${time})(?: ${zone})?`;
