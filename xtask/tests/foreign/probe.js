// Goes once around the server and looks at what it answers, strictly. `load-tests/probe.js` says what is expected of
// such a script.
import http from 'k6/http';
import encoding from 'k6/encoding';
import { check } from 'k6';

const BASE_URL = __ENV.BASE_URL;
const WARM_UP = Number(__ENV.WARM_UP || 0);
const FILE = `${BASE_URL}/probe.txt`;

export const options = { vus: 1, iterations: 1, thresholds: WARM_UP ? {} : { checks: ['rate==1'] } };

function withKey(key) {
  return { headers: { Authorization: `Basic ${encoding.b64encode(`load:${key}`)}` } };
}

export default function () {
  const ours = withKey(__ENV.API_KEY);
  if (WARM_UP) {
    for (let round = 0; round < WARM_UP; round += 1) {
      http.put(FILE, 'warm', ours);
      http.get(`${BASE_URL}/?q=probe&json`, ours);
    }
    http.del(FILE, null, ours);
    return;
  }
  expect('PUT /probe.txt with a wrong key', http.put(FILE, 'x', withKey('wrong')), 401);
  expect('PUT /probe.txt', http.put(FILE, 'as it was stored', ours), 201);
  expect('GET /probe.txt', http.get(FILE, ours), 200, 'as it was stored');
  expect('DELETE /probe.txt', http.del(FILE, null, ours), 204);
  expect('GET /probe.txt, which is deleted', http.get(FILE, ours), 404);
}

function expect(request, answer, status, body) {
  const ok = answer.status === status && (body === undefined || answer.body === body);
  check(null, { [ok ? request : `${request}: ${status} was expected, not ${answer.status} ${answer.body}`]: () => ok });
}

export function handleSummary(data) {
  if (!__ENV.SUMMARY_PATH || WARM_UP) {
    return undefined;
  }
  const { checks } = data.root_group;
  const failures = checks.filter(({ fails }) => fails > 0).map(({ name }) => name);
  const result = { ok: checks.length > 0 && failures.length === 0, passed: checks.length - failures.length, failures };
  return { [__ENV.SUMMARY_PATH]: JSON.stringify(result) };
}
