export const options = {
  thresholds: {
    http_req_duration: ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
  },
};

export const profiles = {
  // A first look
  smoke: { vus: 1, duration: '20s' },
  // As on any morning
  morning: {
    stages: [
      { duration: '30s', target: 5 },
      { duration: '30s', target: 0 },
    ],
  },
};
