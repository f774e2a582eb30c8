// Asks for what is limited, and pauses.
import http from 'k6/http';
import { check, sleep } from 'k6';
import { Rate } from 'k6/metrics';

const errors = new Rate('errors');
const PAUSE = Number(__ENV.PAUSE || 0.1);

export const options = { thresholds: { errors: ['rate<0.01'] } };

export default function () {
  const answer = http.get(`${__ENV.BASE_URL}/ask`);
  errors.add(!check(answer, { 'it is answered': ({ status }) => status === 200 }));
  sleep(PAUSE);
}
