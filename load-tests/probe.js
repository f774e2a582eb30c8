// Goes once around the server and looks at what it answers, strictly: the tests ask whether it is
// fast and lets 5 % of checks fail, this asks whether it does what it says at all.
//
//   k6 run -e TEST=missions load-tests/probe.js
//
//   TEST          what to look at: health, missions, specs, websocket, or several with spaces
//                 between; anything else stands for all but websocket (default: all four)
//   SUMMARY_PATH  where to write the result as JSON; without it k6 prints its own text
//   WARM_UP       instead of looking at anything, makes this many rounds of requests
//
// BASE_URL, WS_URL and API_KEY are those of the tests. The result is
//
//   { "ok": false, "passed": 3, "failures": ["GET /api/missions/7: …"] }
//
// with one sentence for each part that failed, which names the request and the answer. k6 exits
// with 0 if nothing failed and with 99 otherwise. What is created is deleted again.

import http from 'k6/http';
import ws from 'k6/ws';
import { check } from 'k6';

const BASE_URL = __ENV.BASE_URL || 'http://localhost:3000';
const WS_URL = __ENV.WS_URL || 'ws://localhost:3000/ws';
const API_KEY = __ENV.API_KEY || 'test-api-key';
const WRONG_KEY = `${API_KEY}-not`;
const WARM_UP = readWarmUp(__ENV.WARM_UP);

// How much of an answer a failure shows, in characters.
const SHOWN = 120;

const parts = { health, missions, specs, websocket };

export const options = {
  // The limit is for answers that never end.
  scenarios: { probe: { executor: 'shared-iterations', vus: 1, iterations: 1, maxDuration: '50s', gracefulStop: '0s' } },
  maxRedirects: 0,
  // The key is part of the socket's URL, which must not go to any output.
  systemTags: ['status', 'method', 'group', 'check', 'expected_response'],
  thresholds: WARM_UP ? {} : { checks: ['rate==1'] },
};

export default function () {
  if (WARM_UP) {
    for (let round = 0; round < WARM_UP; round += 1) {
      warmUp();
    }
    return;
  }
  for (const name of chosen(__ENV.TEST)) {
    let failure;
    try {
      parts[name]();
    } catch (error) {
      failure = scrubbed(error instanceof Unexpected ? error.message : `${name}: ${error.stack || error}`);
    }
    check(null, { [failure === undefined ? name : failure]: () => failure === undefined });
  }
}

// Writes the result to SUMMARY_PATH. This runs apart from the function above: of what that has
// seen, only its checks are known here.
export function handleSummary(data) {
  if (!__ENV.SUMMARY_PATH || WARM_UP) {
    return undefined;
  }
  const { checks } = data.root_group;
  const failures = checks.filter(({ fails }) => fails > 0).map(({ name }) => name);
  const result = { ok: checks.length > 0 && failures.length === 0, passed: checks.length - failures.length, failures };
  return { [__ENV.SUMMARY_PATH]: `${JSON.stringify(result)}\n` };
}

// The server says that it is well.
function health() {
  const answer = request('GET', '/api/health', { status: 200, key: null });
  const { status } = answer.json();
  answer.expect(status === 'healthy', `status "healthy" was expected, not ${JSON.stringify(status)}`);
}

// What is created is there, as it was sent, under an id of its own, alone and in the list.
function missions() {
  request('GET', '/api/missions', { status: 401, key: null });
  request('POST', '/api/missions', { status: 401, key: WRONG_KEY, body: mission('refused') });
  const sent = [mission('one'), mission('two')];
  const created = sent.map((body) => {
    const answer = request('POST', '/api/missions', { status: 201, body });
    const { id } = answer.json();
    answer.expect(typeof id === 'string' || typeof id === 'number', `an id was expected, not ${JSON.stringify(id)}`);
    same(answer, answer.json(), body);
    return { ...body, id };
  });
  try {
    const [one, two] = created;
    if (one.id === two.id) {
      throw new Unexpected(`POST /api/missions: two missions got one id, ${JSON.stringify(one.id)}`);
    }
    for (const body of created) {
      const answer = request('GET', `/api/missions/${body.id}`, { status: 200 });
      same(answer, answer.json(), body);
    }
    const list = request('GET', '/api/missions?limit=200', { status: 200 });
    list.expect(Array.isArray(list.json()), 'an array was expected');
    const ids = list.json().map((item) => item && item.id);
    list.expect(ids.every((id) => id !== null && id !== undefined), 'missions with an id each were expected');
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    list.expect(twice === undefined, `each mission was expected once, not ${twice} twice`);
    for (const body of created) {
      const listed = list.json().find((item) => item && item.id === body.id);
      list.expect(listed !== undefined, `the mission ${body.id} that was just created was expected in it`);
      same(list, listed, body);
    }
  } finally {
    for (const { id } of created) {
      http.del(`${BASE_URL}/api/missions/${id}`, null, { headers: headers(API_KEY), redirects: 0 });
    }
  }
  const gone = created[0].id;
  request('GET', `/api/missions/${gone}`, { status: 404 });
}

// A search for what the specs speak of finds some, and one of them can be read.
function specs() {
  request('GET', '/api/specs/001', { status: 401, key: null });
  request('GET', '/api/specs/search?q=config', { status: 401, key: WRONG_KEY });
  const terms = ['config', 'test', 'loop', 'backend', 'ui'];
  let search;
  let found = [];
  for (const term of terms) {
    search = request('GET', `/api/specs/search?q=${term}`, { status: 200 });
    found = search.json();
    search.expect(Array.isArray(found), 'an array was expected');
    if (found.length > 0) {
      break;
    }
  }
  search.expect(found.length > 0, `something was expected to be found, here or for ${terms.slice(0, -1).join(', ')}`);
  const { id, title } = found[0] || {};
  search.expect(typeof id === 'string' && id !== '', `an id was expected in the first result, not ${JSON.stringify(id)}`);
  const answer = request('GET', `/api/specs/${id}`, { status: 200 });
  const spec = answer.json() || {};
  answer.expect(spec.id === id, `the id "${id}" was expected, not ${JSON.stringify(spec.id)}`);
  answer.expect(spec.title === title, `the title "${title}" was expected as in the search, not ${JSON.stringify(spec.title)}`);
  answer.expect(typeof spec.content === 'string' && spec.content.trim() !== '', 'content was expected');
}

// Who subscribes hears of a mission that is created.
function websocket() {
  socket(WRONG_KEY, 401, (opened) => opened.on('open', () => opened.close()));
  const body = mission('heard of');
  const heard = [];
  let failure;
  let id;
  socket(API_KEY, 101, (opened) => {
    opened.on('open', () => opened.send(JSON.stringify({ type: 'subscribe', channel: 'missions' })));
    opened.on('message', (text) => {
      heard.push(text);
      try {
        const event = parse(text) || {};
        if (id === undefined) {
          if (event.type !== 'subscribed' || event.channel !== 'missions') {
            throw new Unexpected(`${event.type === undefined ? 'no type' : `"${event.type}"`} where "subscribed" to "missions" was expected`);
          }
          const answer = request('POST', '/api/missions', { status: 201, body });
          ({ id } = answer.json());
        } else if (event.type === 'mission.created' && event.mission && event.mission.id === id) {
          opened.close();
        }
      } catch (error) {
        failure = error.message;
        opened.close();
      }
    });
    opened.on('binaryMessage', () => {
      failure = 'binary data where text was expected';
      opened.close();
    });
    opened.setTimeout(() => {
      failure = `nothing for 5 s ${id === undefined ? 'after subscribing' : 'of the mission that was created'}`;
      opened.close();
    }, 5000);
    opened.on('close', () => {
      if (failure === undefined && !heard.some((text) => id !== undefined && text.includes(`${id}`))) {
        failure = 'it was closed before it told of the mission that was created';
      }
    });
  });
  if (id !== undefined) {
    http.del(`${BASE_URL}/api/missions/${id}`, null, { headers: headers(API_KEY), redirects: 0 });
  }
  if (failure !== undefined) {
    throw new Unexpected(`WebSocket ${WS_URL}: ${failure}${heard.length > 0 ? `; the last message was ${shown(heard[heard.length - 1])}` : ''}`);
  }
}

// Opens a WebSocket and has `use` see to it until it is closed; it must be answered with `status`.
function socket(key, status, use) {
  let response;
  try {
    response = ws.connect(`${WS_URL}?token=${key}`, {}, use);
  } catch (error) {
    throw new Unexpected(`WebSocket ${WS_URL}: ${error.message}`);
  }
  if (!response || response.status !== status) {
    const seen = response && response.status ? response.status : (response && response.error) || 'nothing';
    throw new Unexpected(`WebSocket ${WS_URL}: ${status} was expected${key === WRONG_KEY ? ' for a wrong key' : ''}, but the answer was ${seen}`);
  }
}

// What a part throws when an answer is not as it must be. Not an Error: k6's have no message in
// sight if they come from Go.
function Unexpected(message) {
  this.message = message;
}

// Makes a request and holds the answer's status against the one that must come.
function request(method, path, { status, key = API_KEY, body = null }) {
  const response = http.request(method, `${BASE_URL}${path}`, body && JSON.stringify(body), {
    headers: headers(key),
    redirects: 0,
    timeout: '10s',
    responseCallback: http.expectedStatuses(status),
  });
  const target = response.headers.Location && response.status < 400 && response.status >= 300 ? ` to ${response.headers.Location}` : '';
  const seen = response.status === 0 ? response.error : `${response.status}${target} ${shown(response.body)}`;
  const expect = (held, what) => {
    if (!held) {
      throw new Unexpected(`${method} ${path}: ${what}, but the answer was ${seen}`);
    }
  };
  const whose = { null: ' without a key', [WRONG_KEY]: ' for a wrong key' }[key] || '';
  expect(response.status === status, `${status} was expected${status === 401 ? whose : ''}`);
  const json = () => {
    const value = parse(response.body);
    expect(value !== undefined, 'JSON was expected');
    return value === null ? {} : value;
  };
  return { expect, json };
}

function headers(key) {
  const common = { 'Content-Type': 'application/json' };
  return key === null ? common : { ...common, Authorization: `Bearer ${key}` };
}

// Fails unless what came back is what was sent.
function same(answer, seen, sent) {
  for (const [field, value] of Object.entries(sent)) {
    answer.expect(seen[field] === value, `the ${field} ${JSON.stringify(value)} was expected, not ${JSON.stringify(seen[field])}`);
  }
}

function mission(name) {
  const unlike = Math.random().toString(36).slice(2);
  return { name: `Probe ${name} ${unlike}`, prompt: `Is it stored? ${unlike}`, backend: 'mock' };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (_) {
    return undefined;
  }
}

// The beginning of a text, on one line.
function shown(text) {
  const line = `${text === null || text === undefined ? '' : text}`.replace(/\s+/g, ' ').trim();
  return line === '' ? 'with no content' : line.slice(0, SHOWN);
}

function scrubbed(text) {
  return `${text}`.replace(/\s+/g, ' ').split(API_KEY).join('***');
}

function chosen(text) {
  const names = Object.keys(parts);
  const asked = (text || '').split(/[ ,]+/).filter(Boolean);
  if (asked.length === 0) {
    return names;
  }
  const known = names.filter((name) => asked.includes(name));
  const others = asked.some((name) => !names.includes(name));
  return names.filter((name) => name === 'health' || known.includes(name) || (others && name !== 'websocket'));
}

// A request to each route, whose answers do not matter here: the test will judge them.
function warmUp() {
  const params = { headers: headers(API_KEY), redirects: 0, timeout: '5s' };
  for (const path of ['/api/health', '/api/missions', '/api/specs/001', '/api/specs/search?q=config']) {
    http.get(`${BASE_URL}${path}`, params);
  }
  http.post(`${BASE_URL}/api/missions`, JSON.stringify(mission('warm-up')), params);
}

function readWarmUp(text) {
  const rounds = Number(text || 0);
  if (!(Number.isInteger(rounds) && rounds >= 0)) {
    throw new Error(`WARM_UP is "${text}": give a whole number of rounds, as in \`-e WARM_UP=30\``);
  }
  return rounds;
}
