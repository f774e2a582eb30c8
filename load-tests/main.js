// The one k6 entry point: it joins a profile, the thresholds, a test script and the summary.
//
//   k6 run -e PROFILE=stress -e TEST=missions load-tests/main.js
//
//   PROFILE       which load to make: a name in `profiles` below (default: smoke)
//   TEST          which test to run: NAME is the script tests/NAME.js or tests/api-NAME.js
//   BLOCK_VUS, BLOCK_DURATION  the load of a comparison's block (default: 10 virtual users, 3s)
//   STEP_LOAD, STEP_DURATION, STEP_GRACE, STEP_VUS  the load of a step of `cargo xtask capacity`: so many virtual users,
//                 or with STEP_VUS=READY,MOST so many iterations a second; begun iterations may take STEP_GRACE more
//   MARKS         asks this URL for `load` after the script's setup and for `teardown` before its teardown
//   TIME_SCALE    multiplies every duration of the profile, 0.001 to 10 (default: 1)
//   VUS_SCALE     multiplies the virtual users and rates of the profile, 0.01 to 10000 (default: 1)
//   SUMMARY_PATH  where to write the summary as JSON; without it k6 prints its own text
//   RUNNER_SUMMARY  1: write the summary to stdout in a line that can be merged with those of other k6 (see cluster.md)
//   TERMINATION_LOG  where to write its short form then, such as /dev/termination-log; none if not set
//   TESTID        tag `testid` on every sample: tells this run from others in a time series database
//   REVISION      tag `revision` on every sample: the version of the server under test
//
// BASE_URL, WS_URL and API_KEY are read by the scripts themselves. Give API_KEY through the
// environment rather than with `-e`, where the process list shows it.
//
// A script exports a default function and, as it needs, `options` (without the load, which the
// profile gives), `setup` and `teardown`. What a test needs beside its script stands in a JSON file
// of the script's name, tests/websocket.json for instance; all of it is optional:
//
//   comment       for readers
//   gracefulStop  how long a begun iteration may go on once the profile takes its virtual user
//                 away (k6: 30 s)
//   options       k6 options on top of everything else
//   evidence      what must be seen for the test to pass:
//     checks      names of checks that must have been made
//     rules       by metric, as thresholds are: "STATISTIC OPERATOR BOUND", where the bound is a
//                 number or another metric's statistic: "count >= ws_sessions count"

import crypto from 'k6/crypto';
import exec from 'k6/execution';
import http from 'k6/http';
import ws from 'k6/ws';
import { sleep } from 'k6';
import { Rate } from 'k6/metrics';
import * as config from './k6.config.js';

// Add a profile here, in any form that k6 takes as options: `vus` and `duration`, `stages`,
// `iterations`, or `scenarios`. One with `abortOnFail: true` ends at the first threshold that is crossed.
export const profiles = {
  ...config.profiles,
  // Rises until a threshold is crossed, and ends there
  breakpoint: { stages: [{ duration: '20m', target: 500 }], abortOnFail: true },
};

// What comparisons and searches ask for: no profile to run a test under.
const internal = {
  // A block of a comparison: BLOCK_VUS virtual users for BLOCK_DURATION. They begin one after the other within
  // a second, since together they would go on in step and queue up behind each other.
  block: {
    stages: [
      { duration: '1s', target: readCount('BLOCK_VUS', 10) },
      { duration: __ENV.BLOCK_DURATION || '3s', target: readCount('BLOCK_VUS', 10) },
    ],
  },
  // A step of a search for the capacity. Users begin within a second; a rate has so many that one is always free.
  capacity: {
    scenarios: {
      default: __ENV.STEP_VUS ? {
        executor: 'constant-arrival-rate',
        rate: readCount('STEP_LOAD', 10),
        timeUnit: '1s',
        duration: __ENV.STEP_DURATION || '10s',
        preAllocatedVUs: Number(__ENV.STEP_VUS.split(',')[0]),
        maxVUs: Number(__ENV.STEP_VUS.split(',')[1]),
        gracefulStop: __ENV.STEP_GRACE || '5s',
      } : {
        executor: 'ramping-vus',
        stages: [
          { duration: '1s', target: readCount('STEP_LOAD', 10) },
          { duration: __ENV.STEP_DURATION || '10s', target: readCount('STEP_LOAD', 10) },
        ],
        gracefulStop: __ENV.STEP_GRACE || '5s',
        gracefulRampDown: __ENV.STEP_GRACE || '5s',
      },
    },
  },
  // The iterations whose requests a comparison writes down: 200, each by a user of its own and nearly one after the other.
  record: {
    scenarios: {
      record: {
        executor: 'constant-arrival-rate', rate: 100, timeUnit: '1s', duration: '2s', preAllocatedVUs: 100, maxVUs: 200,
      },
    },
  },
};

// Which of k6's options say how much load to make: that is the profile's part, and k6 refuses two
// answers.
const LOAD_OPTIONS = ['vus', 'duration', 'iterations', 'stages', 'scenarios'];

// The share of iterations that ended with an exception. k6 itself counts those as complete.
const iterationExceptions = new Rate('iteration_exceptions');

// k6 logs why a request failed, but not why a WebSocket could not be opened. Whoever reads the log needs both.
const { connect } = ws;
ws.connect = (...args) => {
  const response = connect.apply(ws, args);
  if (response && response.error) {
    console.warn(`WebSocket Failed: ${response.error}`);
  }
  if (response && response.status !== 101) {
    tellFailed({ ...response, status: response.status || 0, error: response.error, request: { method: 'GET', url: args[0] } });
  }
  return response;
};

// k6 counts failed requests for the whole test only, so the log tells of each which one it was. Only what a script
// calls by `http.` is seen; the server's own metrics have the rest.
for (const name of ['get', 'head', 'post', 'put', 'patch', 'del', 'options', 'request', 'batch', 'asyncRequest']) {
  const original = http[name];
  const tell = (answer) => {
    const answers = name === 'batch' ? Object.values(answer || {}) : [answer];
    answers.filter((one) => one && (one.status === 0 || one.status >= 400)).forEach(tellFailed);
    return answer;
  };
  http[name] = (...args) => {
    const answer = original.apply(http, args);
    return name === 'asyncRequest' ? answer.then(tell) : tell(answer);
  };
}

// What this virtual user has told of each kind of failure, and when; beyond so many kinds they are told together.
const told = new Map();
const MOST_KINDS = 100;
const initialized = Date.now();

// Writes a failed answer to the log: the first 20 of a kind, and then no more than one a second, which stands for those
// since the one before. Of the URL only the path is written, since a query may hold a key. Whatever is odd about an
// answer, the script goes on as if nobody had looked.
function tellFailed({ request, status, error, body, headers }) {
  try {
    const { method = '', url = '' } = request || {};
    const path = withoutKey(`/${url}`.replace(/^\/[a-z]+:\/\/[^/?#]*/i, '').replace(/[?#].*/, '') || '/');
    // Ids have digits, and are another each time; so have ports in k6's words.
    const folded = path.replace(/[^/]*\d[^/]*/g, '{}');
    let kind = `${method} ${folded} ${status} ${status === 0 ? `${error}`.replace(/\d+/g, '#') : ''}`;
    const isOther = told.size >= MOST_KINDS && !told.has(kind);
    if (isOther) {
      kind = `${method} ${status}`;
    }
    const answer = { method, path: isOther ? '/…' : path, status, error: error && withoutKey(`${error}`) };
    const before = told.get(kind) || { answer, lines: 0, untold: 0, at: 0 };
    const now = Date.now();
    if (before.lines < 20 || now - before.at >= 1000) {
      // Cut only where the key can no longer be cut in two.
      const shown = before.lines === 0 && typeof body === 'string' ? withoutKey(body.slice(0, 4096)).slice(0, 200) : undefined;
      writeFailed({ ...answer, body: shown, retry_after: (headers || {})['Retry-After'], count: before.untold + 1 });
      told.set(kind, { answer, lines: before.lines + 1, untold: 0, at: now });
    } else {
      told.set(kind, { ...before, untold: before.untold + 1 });
    }
  } catch (problem) {
    console.warn(`a failed answer was not told: ${problem}`);
  }
}

// Writes what was not told for want of another failure of its kind.
function tellRest() {
  const now = Date.now();
  told.forEach((it, kind) => {
    if (it.untold > 0 && now - it.at >= 1000) {
      writeFailed({ ...it.answer, count: it.untold });
      told.set(kind, { ...it, untold: 0, at: now });
    }
  });
}

function writeFailed(answer) {
  let at = Date.now() - initialized;
  try {
    at = exec.instance.currentTestRunDuration;
  } catch (_) {
    // In `teardown` k6 does not tell how long the test runs; a virtual user is not older than that.
  }
  console.log(`Failed answer: ${JSON.stringify({ ...answer, at })}`);
}

// A server may answer with what it was sent.
function withoutKey(text) {
  return __ENV.API_KEY ? text.split(__ENV.API_KEY).join('***') : text;
}

const profileName = chooseProfile(__ENV.PROFILE || 'smoke');
const timeScale = readScale('TIME_SCALE', 0.001, 10);
const vusScale = readScale('VUS_SCALE', 0.01, 10000);
const testName = __ENV.TEST;
const { path: scriptPath, text: scriptText } = findScript(testName);
// k6 evaluates this file again for each virtual user, and takes options and the summary from evaluations without one. What
// only these need takes several times as long as all the rest.
const isUser = __VU > 0;
const settings = isUser ? {} : readSettings(scriptPath.replace(/\.js$/, '.json'));
let script = require(scriptPath);
// `require` does not wait for an `await` at the script's top level, and loses its rejection. Asked
// again once it is settled, it throws what was thrown there.
if (scriptText.includes('await') && /^(?!\s|\/\/|async\b|export\b.*\basync\b).*\bawait\b/m.test(scriptText)) {
  await new Promise((resolve) => { setTimeout(resolve, 20); });
  script = require(scriptPath);
}
if (typeof script.default !== 'function') {
  throw new Error(`${scriptPath} exports no default function: the profile makes the load and runs that one, not functions that \`exec\` of the script's own scenarios names`);
}
const scriptOptions = script.options || {};
// Apart from `options`, whose parts k6 replaces by its own once it has read them.
const thresholds = isUser ? {} : mergeThresholds(config.options.thresholds, scriptOptions.thresholds);
const ownThresholds = isUser ? {} : mergeThresholds(scriptOptions.thresholds);
const load = isUser ? {} : chooseLoad();

export const options = isUser ? {} : {
  // k6 needs `setup` and `teardown` to be functions, so they are always there, and run on request.
  noSetup: !script.setup,
  noTeardown: !script.teardown,
  ...config.options,
  ...withoutLoad(scriptOptions),
  ...load.options,
  ...settings.options,
  summaryTrendStats: [...new Set([...trendStats(), ...runnerGrid().map((p) => `p(${p})`)])],
  thresholds: { ...(load.abortOnFail ? mapValues(thresholds, aborting) : thresholds), ...requestsApart() },
  tags: {
    ...config.options.tags,
    ...scriptOptions.tags,
    ...runTags(),
  },
  // For those who read `k6 inspect`: k6 itself passes it on.
  ext: { ...scriptOptions.ext, load_test: { ignored: ignoredParts() } },
};

// How long this virtual user's latest iteration without an exception took, in milliseconds. A guess
// until there is one: scripts of this kind sleep for about a second.
let ordinaryIteration = 1000;
// Whether the latest iteration came to its end in neither way: what throws in a callback, or waits for a promise that
// nobody settles, ends it behind our back.
let unsettled = false;

// Runs the script's default function, which may return a promise, and counts its exceptions.
export default function (data) {
  tellRest();
  if (unsettled) {
    waitAfterException(0);
  }
  unsettled = true;
  const began = Date.now();
  const returned = () => {
    unsettled = false;
    ordinaryIteration = Date.now() - began;
    iterationExceptions.add(false);
  };
  const threw = (exception) => {
    unsettled = false;
    iterationExceptions.add(true);
    waitAfterException(Date.now() - began);
    throw exception;
  };
  let result;
  try {
    result = script.default(data);
  } catch (exception) {
    threw(exception);
  }
  if (result && typeof result.then === 'function') {
    return result.then(returned, threw);
  }
  returned();
  return result;
}

// An exception skips the script's own `sleep`, and a sick server would be flooded. So an iteration
// with one takes as long as any other, unless the executor starts iterations by the clock.
function waitAfterException(elapsed) {
  if (!exec.scenario.executor.endsWith('arrival-rate')) {
    sleep(Math.max(100, ordinaryIteration - elapsed) / 1000);
  }
}

// Requests made in here carry the tag `phase`, since they are not the planned load.
export function setup() {
  exec.vu.metrics.tags.phase = 'setup';
  const result = script.setup();
  if (result && typeof result.then === 'function') {
    return result.then((data) => mark('load', data));
  }
  return mark('load', result);
}

export function teardown(data) {
  exec.vu.metrics.tags.phase = 'teardown';
  mark('teardown');
  return script.teardown(data);
}

// Tells whoever writes down the requests where the load begins and ends.
function mark(phase, data) {
  if (__ENV.MARKS) {
    http.get(`${__ENV.MARKS}${phase}`);
  }
  return data;
}

// Writes k6's data to SUMMARY_PATH and nothing to stdout, or to stdout in one line for RUNNER_SUMMARY; without either it
// returns nothing, upon which k6 prints its own text summary.
export function handleSummary(data) {
  if (!isSummedUp()) {
    return undefined;
  }
  // k6 leaves a metric out that has no samples; that no iteration came to its end is worth knowing.
  const none = { type: 'rate', contains: 'default', values: { rate: 0, passes: 0, fails: 0 } };
  const summary = { ...data, metrics: { iteration_exceptions: none, ...data.metrics } };
  // Whatever `setup` returned, a login token for instance.
  delete summary.setup_data;
  // What was asked for, so that a reader of the file can tell a threshold that k6 left out
  // from one that never was.
  summary.load_test = {
    profile: profileName,
    test: testName,
    time_scale: timeScale,
    vus_scale: vusScale,
    thresholds: mapValues(thresholds, (list) => list.map(expressionOf)),
    own_thresholds: mapValues(ownThresholds, (list) => list.map(expressionOf)),
    evidence: settings.evidence,
  };
  const whole = __ENV.SUMMARY_PATH ? { [__ENV.SUMMARY_PATH]: `${JSON.stringify(summary, null, 2)}\n` } : {};
  return { ...whole, ...runnerSummary(summary) };
}

// Whether the summary is ours.
function isSummedUp() {
  return Boolean(__ENV.SUMMARY_PATH || __ENV.RUNNER_SUMMARY);
}

// The percentiles of each trend by which those of several k6 are merged, in ascending order: the closer they are, the
// narrower is the interval in which the merged percentile lies for certain. Those that somebody asks for are among them.
function runnerGrid() {
  if (!__ENV.RUNNER_SUMMARY) {
    return [];
  }
  const steps = (from, to, count) => Array.from({ length: count }, (_, i) => Number((from + (i * (to - from)) / count).toFixed(3)));
  const asked = trendStats().flatMap((stat) => (stat === 'med' ? 50 : Number((stat.match(/^p\((.*)\)$/) || [])[1] || 0)));
  const grid = new Set([...steps(0, 90, 180), ...steps(90, 99, 90), ...steps(99, 100, 100), 100, ...asked]);
  return [...grid].sort((a, b) => a - b);
}

// The summary in one line for stdout, with what it takes to see that nothing of it is missing, and its short form.
function runnerSummary({ metrics, root_group, state, load_test }) {
  if (!__ENV.RUNNER_SUMMARY) {
    return {};
  }
  const grid = runnerGrid();
  const line = ascii({
    grid,
    stats: trendStats(),
    // k6 names each percentile of each trend: the line names them once.
    metrics: mapValues(metrics, ({ type, contains, values, thresholds }) => (type === 'trend'
      ? {
        type,
        contains,
        thresholds,
        values: { avg: values.avg, count: values.count },
        grid: values.count > 0 ? grid.map((p) => values[`p(${p})`]) : [],
      }
      : { type, contains, thresholds, values })),
    root_group,
    state: { testRunDurationMs: state.testRunDurationMs },
    load_test,
  });
  const files = { stdout: `load-test-summary ${line.length} ${crypto.sha256(line, 'hex')} ${line}\n` };
  if (__ENV.TERMINATION_LOG) {
    files[__ENV.TERMINATION_LOG] = shortForm({ metrics, root_group, state, load_test });
  }
  return files;
}

// What Kubernetes keeps of a container that ended is at most 4,096 bytes, so the least telling parts are left out.
function shortForm({ metrics, root_group, state, load_test }) {
  const MOST = 4000;
  const short = {
    profile: load_test.profile,
    test: load_test.test,
    duration_ms: state.testRunDurationMs,
    checks: [0, 0],
    thresholds: {},
    trends: {},
    counters: {},
    rates: {},
    left_out: 0,
  };
  const count = ({ checks, groups }) => {
    checks.forEach(({ passes, fails }) => { short.checks = [short.checks[0] + passes, short.checks[1] + fails]; });
    groups.forEach(count);
  };
  count(root_group);
  const parts = [];
  for (const [name, { type, values, thresholds }] of Object.entries(metrics)) {
    Object.entries(thresholds || {}).forEach(([expression, { ok }]) => parts.push([ok ? 1 : 0, 'thresholds', `${name} ${expression}`, ok]));
    if (type === 'trend') {
      const round = (value) => Number((value ?? NaN).toPrecision(6));
      const figures = ['p(0)', 'p(50)', 'p(95)', 'p(99)', 'p(100)'].map((stat) => round(values[stat]));
      // Those of k6 are many, and parts of one another.
      parts.push([/^http_req_(?!duration)/.test(name) ? 4 : 2, 'trends', name, [values.count, ...figures]]);
    } else if (type === 'counter') {
      parts.push([/^data_/.test(name) ? 3 : 0, 'counters', name, values.count]);
    } else if (type === 'rate') {
      parts.push([0, 'rates', name, [values.passes, values.fails]]);
    }
  }
  parts.sort(([a], [b]) => a - b);
  for (const [, kind, name, figures] of parts) {
    short[kind][name] = figures;
    if (ascii(short).length > MOST - 10) {
      delete short[kind][name];
      short.left_out += 1;
    }
  }
  return ascii(short);
}

// JSON on one line in which a byte is a character.
function ascii(value) {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function chooseProfile(name) {
  const names = Object.keys(profiles);
  if (!names.includes(name) && !Object.keys(internal).includes(name)) {
    throw new Error(`unknown PROFILE "${name}": give one of ${names.join(', ')}, as in \`-e PROFILE=${names[0]}\``);
  }
  return name;
}

// The profile's load as options, and whether it ends at the first threshold that is crossed.
function chooseLoad() {
  const { abortOnFail, ...whole } = scaleDurations({ ...internal, ...profiles }[profileName]);
  const scaled = profileName in profiles ? scaleUsers(whole) : whole;
  return { options: withGracefulStop(scaled, settings.gracefulStop), abortOnFail };
}

// The path and text of the one script that has this name.
function findScript(name) {
  const naming = 'a test is a file in load-tests/tests, NAME.js or api-NAME.js, and is run with `-e TEST=NAME`';
  if (!name) {
    throw new Error(`TEST is not set: ${naming}`);
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name)) {
    throw new Error(`TEST is "${name}", and names are made of letters, digits, "-" and "_": ${naming}`);
  }
  const found = [`./tests/api-${name}.js`, `./tests/${name}.js`]
    .map((path) => ({ path, text: textOf(path) }))
    .filter(({ text }) => text !== undefined);
  if (found.length === 0) {
    throw new Error(`unknown TEST "${name}": there is no tests/${name}.js and no tests/api-${name}.js; ${naming}`);
  }
  if (found.length > 1) {
    throw new Error(`TEST "${name}" has two scripts, ${found.map(({ path }) => path).join(' and ')}: rename one`);
  }
  return found[0];
}

// The text of a file, or undefined if it cannot be opened. k6 has no other way to look.
function textOf(path) {
  try {
    return open(path);
  } catch (_) {
    return undefined;
  }
}

// What stands beside a script, each part checked: a misspelt rule must not be a rule less.
function readSettings(path) {
  const text = textOf(path);
  if (text === undefined) {
    return {};
  }
  const wrong = (what) => new Error(`${path}: ${what}`);
  const known = (object, where, keys) => {
    if (object === null || typeof object !== 'object' || Array.isArray(object)) {
      throw wrong(`${where} must be an object`);
    }
    const unknown = Object.keys(object).find((key) => !keys.includes(key));
    if (unknown !== undefined) {
      throw wrong(`unknown key "${unknown}" in ${where}: it has ${keys.join(', ')}`);
    }
    return object;
  };
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw wrong(error.message);
  }
  known(parsed, 'the file', ['comment', 'gracefulStop', 'options', 'evidence']);
  const evidence = known(parsed.evidence || {}, 'evidence', ['checks', 'rules']);
  if (!(evidence.checks || []).every((name) => typeof name === 'string')) {
    throw wrong('evidence.checks must be a list of names');
  }
  const statistic = '(count|rate|value|avg|min|med|max|p\\(\\d+(\\.\\d+)?\\))';
  const rule = new RegExp(`^${statistic} *(<|<=|>|>=|==|!=) *(-?\\d+(\\.\\d+)?|[A-Za-z_]\\S* ${statistic})$`);
  for (const [metric, rules] of Object.entries(evidence.rules || {})) {
    const bad = [].concat(rules).find((text) => !rule.test(text));
    if (!Array.isArray(rules) || bad !== undefined) {
      throw wrong(`evidence.rules.${metric} must be a list of rules such as "p(95) < 500" and "count >= ws_sessions count", not ${JSON.stringify(bad || rules)}`);
    }
  }
  return parsed;
}

// The statistics of trends that the summary shall have: ours, the script's, and those that
// thresholds and rules need, for a reason without its value explains nothing.
function trendStats() {
  const ours = ['avg', 'min', 'med', 'max', 'count'];
  // The report draws how durations are distributed. k6 keeps every sample: naming one percentile more costs it nothing.
  const curve = [1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 55, 60, 65, 70, 75, 80, 85, 90, 95, 99, 99.9].map((p) => `p(${p})`);
  const texts = [
    ...Object.values(thresholds).flat().map(expressionOf),
    ...Object.values((settings.evidence || {}).rules || {}).flat(),
  ];
  const percentiles = texts.flatMap((text) => text.match(/p\(\s*[\d.]+\s*\)/g) || [])
    .map((percentile) => percentile.replace(/\s/g, ''));
  return [...new Set([...ours, ...curve, ...(scriptOptions.summaryTrendStats || []), ...percentiles])];
}

// Has k6 sum up what `setup` and `teardown` request apart from the load: it does so for a tag that
// a threshold names, and this one always holds.
function requestsApart() {
  if (!isSummedUp()) {
    return {};
  }
  const phases = [script.setup && 'setup', script.teardown && 'teardown'].filter(Boolean);
  const names = phases.flatMap((phase) => ['http_reqs', 'ws_sessions'].map((metric) => `${metric}{phase:${phase}}`));
  return Object.fromEntries(names.map((name) => [name, ['count>=0']]));
}

// Which parts of the script have no effect here, each with the reason.
function ignoredParts() {
  const ignored = Object.keys(loadOf(scriptOptions))
    .map((name) => `options.${name} has no effect: the profile makes the load`);
  if (script.handleSummary) {
    ignored.push('handleSummary has no effect: main.js writes the summary');
  }
  const scenarios = Object.keys(load.options.scenarios || { default: true });
  for (const metric of Object.keys(ownThresholds)) {
    const named = /[{,]\s*scenario:\s*"?([^,}"]*)/.exec(metric);
    if (named && !scenarios.includes(named[1].trim())) {
      ignored.push(`threshold on ${metric} has no effect: the profile has no such scenario`);
    }
  }
  return ignored;
}

function readCount(name, otherwise) {
  const count = Number(__ENV[name] || otherwise);
  if (!(Number.isInteger(count) && count > 0)) {
    throw new Error(`${name} is "${__ENV[name]}": give a whole number, as in \`-e ${name}=${otherwise}\``);
  }
  return count;
}

function readScale(name, least, most) {
  const text = __ENV[name];
  if (text === undefined || text === '') {
    return 1;
  }
  const scale = Number(text);
  if (!(scale >= least && scale <= most)) {
    throw new Error(`${name} is "${text}": give a number from ${least} to ${most}, as in \`-e ${name}=0.1\``);
  }
  return scale;
}

// A copy of a profile, at any depth, with its durations multiplied by TIME_SCALE. Only the load is
// scaled: iterations take as long as ever, so the time they get to end in is left alone.
// k6 refuses a load of less than a second, though not a stage: `least` is in milliseconds.
function scaleDurations(value, least = 1000) {
  if (Array.isArray(value)) {
    return value.map((inner) => scaleDurations(inner, least));
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  return mapValues(value, (inner, key) => {
    switch (key) {
      case 'duration':
      case 'maxDuration':
        return scaleDuration(inner, least);
      case 'startTime':
        return scaleDuration(inner, 0);
      case 'stages':
        return scaleDurations(inner, 1);
      default:
        return scaleDurations(inner, least);
    }
  });
}

// Whole milliseconds. A zero stays one: as a stage it is a jump, elsewhere k6 says what is wrong.
function scaleDuration(duration, least) {
  const milliseconds = parseDuration(duration);
  return milliseconds === 0 ? '0s' : `${Math.max(least, Math.round(milliseconds * timeScale))}ms`;
}

// A copy of a profile, or of one of its scenarios, with its virtual users and rates multiplied by VUS_SCALE. Iterations
// that all users share grow with them; those of each user stay.
function scaleUsers(load) {
  if (vusScale === 1) {
    return load;
  }
  // k6 takes one user where a steady load names none.
  const steady = [undefined, 'constant-vus', 'shared-iterations', 'per-vu-iterations'].includes(load.executor);
  const one = steady && !load.stages && !load.scenarios ? { vus: 1 } : {};
  return mapValues({ ...one, ...load }, (value, key) => {
    switch (key) {
      case 'scenarios':
        return mapValues(value, scaleUsers);
      case 'stages':
        return value.map((stage) => ({ ...stage, target: scaleUp(stage.target) }));
      case 'iterations':
        return load.executor === 'per-vu-iterations' ? value : scaleUp(value);
      case 'vus':
      case 'startVUs':
      case 'preAllocatedVUs':
      case 'maxVUs':
      case 'rate':
      case 'startRate':
        return scaleUp(value);
      default:
        return value;
    }
  });
}

// A whole number, and at least 1. A zero stays one, and so does what is no number: k6 says what is wrong with it.
function scaleUp(amount) {
  return amount > 0 ? Math.max(1, Math.round(amount * vusScale)) : amount;
}

// Milliseconds of a duration in any of k6's forms: a number of milliseconds, or `1m30s`, `1.5h`,
// `1d12h`, `500ms` as in https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/#duration.
function parseDuration(duration) {
  const units = { d: 86400000, h: 3600000, m: 60000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, μs: 1e-3, ns: 1e-6 };
  const number = '(\\d+\\.?\\d*|\\.\\d+)';
  const text = String(duration).trim();
  if (new RegExp(`^${number}$`).test(text)) {
    return Number(text);
  }
  const part = `${number}(ms|us|µs|μs|ns|d|h|m|s)`;
  if (!new RegExp(`^(${part})+$`).test(text)) {
    throw new Error(`profile "${profileName}" has the duration "${duration}": give it as in 500ms, 10s or 1m30s`);
  }
  return [...text.matchAll(new RegExp(part, 'g'))]
    .reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit], 0);
}

// The same load as a scenario, the only form that can say `gracefulStop`. Profiles in another
// form than the two that k6.config.js uses are left as they are.
function withGracefulStop(profile, gracefulStop) {
  if (gracefulStop === undefined) {
    return profile;
  }
  const { vus, duration, stages, ...rest } = profile;
  if (stages) {
    const ramp = { executor: 'ramping-vus', stages, gracefulStop, gracefulRampDown: gracefulStop };
    return { ...rest, scenarios: { default: vus === undefined ? ramp : { ...ramp, startVUs: vus } } };
  }
  if (duration !== undefined && rest.iterations === undefined) {
    return { ...rest, scenarios: { default: { executor: 'constant-vus', vus: vus || 1, duration, gracefulStop } } };
  }
  return profile;
}

function loadOf(someOptions) {
  return Object.fromEntries(Object.entries(someOptions).filter(([key]) => LOAD_OPTIONS.includes(key)));
}

function withoutLoad(someOptions) {
  return Object.fromEntries(Object.entries(someOptions).filter(([key]) => !LOAD_OPTIONS.includes(key)));
}

// Both sets of thresholds. A metric in both gets both lists, an expression in both the later form.
function mergeThresholds(base = {}, extra = {}) {
  const merged = {};
  for (const [metric, list] of [...Object.entries(base), ...Object.entries(extra)]) {
    merged[metric] = merged[metric] || new Map();
    for (const threshold of [].concat(list)) {
      merged[metric].set(expressionOf(threshold), threshold);
    }
  }
  return mapValues(merged, (byExpression) => [...byExpression.values()]);
}

// The same thresholds, each of which ends the test once it is crossed, but for the first answers, which are few.
function aborting(list) {
  return list.map((threshold) => ({ delayAbortEval: scaleDuration('10s', 1000), ...(typeof threshold === 'string' ? { threshold } : threshold), abortOnFail: true }));
}

// The expression of a threshold, which is a string or `{threshold, abortOnFail, ...}`.
function expressionOf(threshold) {
  return typeof threshold === 'string' ? threshold : threshold.threshold;
}

// Tags of the run. They stand in the options because `--tag` would replace those, not add to them.
function runTags() {
  const tags = { profile: profileName, test: testName };
  if (__ENV.TESTID) {
    tags.testid = __ENV.TESTID;
  }
  if (__ENV.REVISION) {
    tags.revision = __ENV.REVISION;
  }
  return tags;
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}
