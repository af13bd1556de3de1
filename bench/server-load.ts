/** A process of its own that sends load by autocannon, so that it shares no thread with the server. */
import autocannon from 'autocannon';
import { loadDigits } from '../src/runtime/index.ts';
import { valuesOf } from '../src/runtime/classifier-card.ts';
import { encodePng } from '../src/server/png.ts';

const [url, connections, seconds, accept] = process.argv.slice(2) as [string, string, string, string];
const { test } = await loadDigits('mnist');
const size = valuesOf(test.shape);
const requests = Array.from({ length: 100 }, (_, i) => ({
  method: 'POST' as const,
  path: '/attack',
  headers: { 'content-type': 'image/png', accept },
  body: Buffer.from(
    encodePng(
      Float32Array.from(test.stored.images.subarray(i * size, (i + 1) * size), (pixel) => pixel / 255),
      test.shape,
    ),
  ),
}));
const { latency, errors, timeouts, duration, statusCodeStats } = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  requests,
  timeout: 30,
});
console.log(JSON.stringify({ latency, errors, timeouts, duration, statusCodeStats }));
