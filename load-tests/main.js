// The one k6 entry point: it joins a profile, the thresholds, a test script and the summary.
//
//   k6 run -e PROFILE=stress -e TEST=missions load-tests/main.js
//
//   PROFILE       which load to make: a name in `profiles` below (default: smoke)
//   TEST          which script to run: a name in `tests` below
//   BLOCK_VUS, BLOCK_DURATION  the load of the profile `block` (default: 10 virtual users, 3s)
//   TIME_SCALE    multiplies every duration of the profile, 0.001 to 10 (default: 1)
//   SUMMARY_PATH  where to write the summary as JSON; without it k6 prints its own text
//   TESTID        tag `testid` on every sample: tells this run from others in a time series database
//   REVISION      tag `revision` on every sample: the version of the server under test
//
// BASE_URL, WS_URL and API_KEY are read by the scripts themselves. Give API_KEY through the
// environment rather than with `-e`, where the process list shows it.

import * as config from './k6.config.js';

// Add a profile here, in any form that k6 takes as options: `vus` and `duration`, `stages`,
// `iterations`, or `scenarios`.
const profiles = {
  ...config.profiles,
  // A block of a comparison: BLOCK_VUS virtual users for BLOCK_DURATION. They begin one after the other within
  // a second, since together they would go on in step and queue up behind each other.
  block: {
    stages: [
      { duration: '1s', target: readVus(__ENV.BLOCK_VUS) },
      { duration: __ENV.BLOCK_DURATION || '3s', target: readVus(__ENV.BLOCK_VUS) },
    ],
  },
};

// Add a test here. `script` is the file, relative to this one, which exports a default function
// and, as it needs, `options` (without the load, which the profile gives), `setup` and `teardown`.
// `options` here come on top of everything else; `gracefulStop` is how long a begun iteration may
// go on once the profile takes its virtual user away (k6: 30 s).
const tests = {
  health: { script: './tests/api-health.js' },
  missions: { script: './tests/api-missions.js' },
  specs: { script: './tests/api-specs.js' },
  websocket: {
    script: './tests/websocket.js',
    // An iteration holds its socket for 30 s after connecting, so k6's own 30 s would cut off
    // those that begin as the profile ends: the only ones there are in a short run.
    gracefulStop: '35s',
    // The API key is part of the socket's URL. k6 would tag every sample with it in `url` and
    // `name`, and so hand it to each output.
    options: {
      systemTags: [
        'proto', 'subproto', 'status', 'method', 'group', 'check', 'error', 'error_code',
        'tls_version', 'scenario', 'service', 'expected_response',
      ],
    },
  },
};

const profileName = choose('PROFILE', profiles, 'smoke');
const testName = choose('TEST', tests);
const timeScale = readTimeScale(__ENV.TIME_SCALE);
const test = tests[testName];
const script = require(test.script);
// Apart from `options`, whose parts k6 replaces by its own once it has read them.
const thresholds = mergeThresholds(config.options.thresholds, (script.options || {}).thresholds);

export const options = {
  // k6 needs `setup` and `teardown` to be functions, so they are always there, and run on request.
  noSetup: !script.setup,
  noTeardown: !script.teardown,
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'count'],
  ...config.options,
  ...withoutLoad(script.options || {}),
  ...withGracefulStop(scaleDurations(profiles[profileName]), test.gracefulStop),
  ...test.options,
  thresholds,
  tags: {
    ...config.options.tags,
    ...(script.options || {}).tags,
    ...runTags(),
  },
};

export default script.default;

export function setup() {
  return script.setup();
}

export function teardown(data) {
  return script.teardown(data);
}

// Writes k6's data to SUMMARY_PATH and nothing to stdout; without SUMMARY_PATH it returns nothing,
// upon which k6 prints its own text summary.
export function handleSummary(data) {
  if (!__ENV.SUMMARY_PATH) {
    return undefined;
  }
  const summary = { ...data };
  // Whatever `setup` returned, a login token for instance.
  delete summary.setup_data;
  // What was asked for, so that a reader of the file can tell a threshold that k6 left out
  // from one that never was.
  summary.load_test = {
    profile: profileName,
    test: testName,
    time_scale: timeScale,
    thresholds: mapValues(thresholds, (list) => list.map(expressionOf)),
  };
  return { [__ENV.SUMMARY_PATH]: `${JSON.stringify(summary, null, 2)}\n` };
}

// The name in the environment variable, which must be a key of `known`.
function choose(variable, known, fallback) {
  const name = __ENV[variable] || fallback;
  const names = Object.keys(known);
  if (!names.includes(name)) {
    const seen = name === undefined ? `${variable} is not set` : `unknown ${variable} "${name}"`;
    throw new Error(`${seen}: give one of ${names.join(', ')}, as in \`-e ${variable}=${names[0]}\``);
  }
  return name;
}

function readVus(text) {
  const vus = Number(text || 10);
  if (!(Number.isInteger(vus) && vus > 0)) {
    throw new Error(`BLOCK_VUS is "${text}": give a whole number of virtual users, as in \`-e BLOCK_VUS=10\``);
  }
  return vus;
}

function readTimeScale(text) {
  if (text === undefined || text === '') {
    return 1;
  }
  const scale = Number(text);
  if (!(scale >= 0.001 && scale <= 10)) {
    throw new Error(`TIME_SCALE is "${text}": give a number from 0.001 to 10, as in \`-e TIME_SCALE=0.1\``);
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

// A script's options less those that say how much load to make: that is the profile's part, and
// k6 refuses two answers.
function withoutLoad(scriptOptions) {
  const { vus, duration, iterations, stages, scenarios, ...rest } = scriptOptions;
  return rest;
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
