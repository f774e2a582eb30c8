// Stores a file, reads it, finds it and deletes it.
import http from 'k6/http';
import { check, sleep } from 'k6';
import encoding from 'k6/encoding';
import { Rate, Trend } from 'k6/metrics';

const errorRate = new Rate('errors');
const searchDuration = new Trend('search_duration', true);

export const options = {
  thresholds: {
    errors: ['rate<0.01'],
    search_duration: ['p(95)<600'],
  },
};

const BASE_URL = __ENV.BASE_URL;
const headers = { Authorization: `Basic ${encoding.b64encode(`load:${__ENV.API_KEY}`)}` };

export default function () {
  const name = `note-${__VU}-${__ITER}.txt`;
  const stored = http.put(`${BASE_URL}/${name}`, `text of ${name}`, { headers, tags: { name: 'store' } });
  const read = http.get(`${BASE_URL}/${name}`, { headers, tags: { name: 'read' } });
  const found = http.get(`${BASE_URL}/?q=${name}&json`, { headers, tags: { name: 'search' } });
  const deleted = http.del(`${BASE_URL}/${name}`, null, { headers, tags: { name: 'delete' } });
  searchDuration.add(found.timings.duration);
  const ok = check(null, {
    'stored': () => stored.status === 201,
    'read as stored': () => read.status === 200 && read.body === `text of ${name}`,
    'found': () => found.status === 200 && found.json('paths').some((path) => path.name === name),
    'deleted': () => deleted.status === 204,
  });
  errorRate.add(!ok);
  sleep(0.2);
}
