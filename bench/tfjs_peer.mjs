/**
 * TensorFlow.js's side of `pnpm bench`: the same networks and optimizer on its CPU backend, which is plain JavaScript; see
 * sides.ts. Its WASM backend is faster and cannot train a convolution: it lacks Conv2DBackpropFilter.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const tf = createRequire(join(process.argv[2], 'package.json'))('@tensorflow/tfjs');
await tf.setBackend('cpu');
const say = (answer) => void process.stdout.write(`${JSON.stringify(answer)}\n`);

const weight = (...shape) => tf.variable(tf.randomUniform(shape, -0.05, 0.05));
const norm = (channels) => ({
  scale: tf.variable(tf.ones([channels])),
  bias: tf.variable(tf.zeros([channels])),
});
const normed = (x, { scale, bias }) => {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  return tf.batchNorm(x, mean, variance, bias, scale, 1e-5);
};
const normedByRunning = (x, { scale, bias }) =>
  tf.batchNorm(x, tf.zerosLike(bias), tf.onesLike(bias), bias, scale, 1e-5);

function classifier(norming) {
  const layers = [
    [1, 16],
    [16, 32],
  ].map(([from, to]) => ({ kernel: weight(5, 5, from, to), bias: weight(to), norm: norm(to) }));
  const [last, bias] = [weight(1568, 10), weight(10)];
  return (x) => {
    for (const { kernel, bias: b, norm: n } of layers)
      x = tf.maxPool(tf.relu(norming(tf.add(tf.conv2d(x, kernel, 1, 'same'), b), n)), 2, 2, 'valid');
    return tf.add(tf.matMul(tf.reshape(x, [-1, 1568]), last), bias);
  };
}

function attacker(eps, norming) {
  const down = [1, 64, 128, 256].map((from, i) => {
    const to = [64, 128, 256, 512][i];
    return { kernel: weight(5, 5, from, to), bias: weight(to), norm: norm(to) };
  });
  const up = [
    [512, 256, 4],
    [256, 128, 7],
    [128, 64, 14],
    [64, 1, 28],
  ].map(([from, to, size]) => ({
    kernel: weight(5, 5, to, from),
    bias: weight(to),
    norm: norm(to),
    to,
    size,
  }));
  return (x) => {
    const batch = x.shape[0];
    for (const [i, { kernel, bias, norm: n }] of down.entries()) {
      x = tf.add(tf.conv2d(x, kernel, 2, 'same'), bias);
      x = tf.leakyRelu(i > 0 ? norming(x, n) : x, 0.2);
    }
    for (const [i, { kernel, bias, norm: n, to, size }] of up.entries()) {
      x = norming(tf.add(tf.conv2dTranspose(x, kernel, [batch, size, size, to], 2, 'same'), bias), n);
      x = i === 3 ? tf.tanh(x) : tf.relu(x);
    }
    return tf.mul(x, eps);
  };
}

function jobs(batch) {
  const image = tf.randomUniform([batch, 28, 28, 1]);
  const label = tf.oneHot(
    Array.from({ length: batch }, (_, i) => i % 10),
    10,
  );
  const frozen = classifier(normedByRunning);
  /** The network that `make` builds, as a step of Adam on its loss. */
  const training = (make, lossOf) => {
    const before = new Set(Object.values(tf.engine().registeredVariables));
    const network = make();
    const own = Object.values(tf.engine().registeredVariables).filter((variable) => !before.has(variable));
    const adam = tf.train.adam(1e-3);
    return () => adam.minimize(() => lossOf(network), true, own);
  };
  const crossEntropy = (logits) => tf.losses.softmaxCrossEntropy(label, logits);
  const attacked = (network) => tf.clipByValue(tf.add(image, network(image)), 0, 1);
  const inference = (network) => () => tf.tidy(() => tf.sum(network(image)));
  return {
    'c-step': training(
      () => classifier(normed),
      (network) => crossEntropy(network(image)),
    ),
    'a-step': training(
      () => attacker(0.16, normed),
      (network) => tf.neg(crossEntropy(frozen(attacked(network)))),
    ),
    'c-infer': inference(frozen),
    'a-infer': inference(attacker(0.16, normedByRunning)),
  };
}

const open = new Map();
say({ name: `TensorFlow.js ${tf.version.tfjs}`, kernel: 'JavaScript, one thread' });
for await (const line of createInterface(process.stdin)) {
  const [command, name, batch, runs] = line.split(' ');
  if (command === 'peak') say(process.resourceUsage().maxRSS / 1024);
  else {
    if (!open.has(batch)) open.set(batch, jobs(Number(batch)));
    const times = [];
    for (let i = 0; i < Number(runs); i++) {
      const start = performance.now();
      await open.get(batch)[name]().data();
      times.push(performance.now() - start);
    }
    say(times);
  }
}
