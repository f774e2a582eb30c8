export const options = {
  thresholds: {
    ...(__ENV.LIMIT_MS === 'none' ? {} : { http_req_duration: [`p(95)<${__ENV.LIMIT_MS || 100}`] }),
    http_req_failed: ['rate<0.01'],
  },
};

export const profiles = {
  // Where a search begins
  start: { vus: 2, duration: '3s' },
};
