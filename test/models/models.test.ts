import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import * as onnx from '../../src/onnx/index.ts';
import { attack, attacker, type Bound, type ThreatModel } from '../../src/models/networks/generator.ts';
import { classifier } from '../../src/models/networks/paper.ts';
import {
  alternatingTrain,
  attackerEval,
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
  committedPrograms,
} from '../../src/models/programs.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { doubleOf, inDouble } from '../support/double.ts';
import { drawOffKinks } from '../support/kinks.ts';
import {
  between,
  drawn,
  evaluate,
  evaluateGraph,
  graphOf,
  numbers,
  openGraph,
  valueOf,
  whole,
} from '../support/run.ts';

const threat: ThreatModel = { eps: 0.16, bound: 'tanh', clip: true };
const imageOf = (batch: number | string): b.Value => b.input('image', 'float32', [batch, 1, 28, 28]);
const labelOf = (batch: number | string): b.Value => b.input('label', 'int32', [batch]);

const declareClassifier = (phase: b.nn.Phase, image: b.Value) =>
  b.nn.declare('classifier', phase, (scope) => classifier(scope, image));
const declareAttacker = (phase: b.nn.Phase, image: b.Value, options: Omit<ThreatModel, 'clip'> = threat) =>
  b.nn.declare('attacker', phase, (scope) => attacker(scope, image, options));

const sizeOf = (variables: readonly b.nn.Variable[]): number =>
  variables.reduce((sum, { value }) => sum + Number(b.sizeOf(value.shape)), 0);
const listed = (variables: readonly b.nn.Variable[]): string[] =>
  variables.map(({ name, value }) => `${name} [${value.shape.join()}]`);

/** Tensors for variables: as they begin, or stretched by `scale`; running variances stay positive. */
function begin(variables: readonly b.nn.Variable[], random: Random, scale = 1): Record<string, b.Tensor> {
  return Object.fromEntries(
    variables.map(({ name, value, init }) => {
      const next =
        init.kind === 'uniform'
          ? between(random, scale * init.low, scale * init.high)
          : name.endsWith('running_var')
            ? between(random, 0.5, 1.5)
            : between(random, init.value - 0.3 * scale, init.value + 0.3 * scale);
      return [name, drawn('float32', value.shape as readonly number[], next)];
    }),
  );
}

describe('the classifier', () => {
  const { result, parameters } = declareClassifier('train', imageOf(4));

  test('has 29,034 parameters', () => {
    expect(sizeOf(parameters.trainable)).toBe(29_034);
  });

  test('names and shapes its parameters', () => {
    expect(listed(parameters.trainable)).toEqual([
      'classifier/conv1/weight [5,5,1,16]',
      'classifier/conv1/bias [16]',
      'classifier/norm1/weight [16]',
      'classifier/norm1/bias [16]',
      'classifier/conv2/weight [5,5,16,32]',
      'classifier/conv2/bias [32]',
      'classifier/norm2/weight [32]',
      'classifier/norm2/bias [32]',
      'classifier/linear/weight [10,1568]',
      'classifier/linear/bias [10]',
    ]);
    expect(listed(parameters.buffers)).toEqual([
      'classifier/norm1/running_mean [16]',
      'classifier/norm1/running_var [16]',
      'classifier/norm2/running_mean [32]',
      'classifier/norm2/running_var [32]',
    ]);
  });

  test('goes through the shapes of the paper to ten logits', () => {
    const steps = b.topologicalOrder([declareClassifier('infer', imageOf('batch')).result]);
    const shown = steps.filter(({ op }) => ['Conv', 'Relu', 'MaxPool', 'Gemm'].includes(op));
    expect(shown.map(({ op, outputs: [y] }) => `${op} ${b.showType(y!)}`)).toEqual([
      'Conv float32[batch,16,28,28]',
      'MaxPool float32[batch,16,14,14]',
      'Relu float32[batch,16,14,14]',
      'Conv float32[batch,32,14,14]',
      'MaxPool float32[batch,32,7,7]',
      'Relu float32[batch,32,7,7]',
      'Gemm float32[batch,10]',
    ]);
    expect(b.showType(result)).toBe('float32[4,10]');
  });

  test('takes other channels and classes', () => {
    const other = b.nn.declare('other', 'infer', (scope) =>
      classifier(scope, imageOf(1), { channels: [4, 8], classes: 3 }),
    );
    expect(b.showType(other.result)).toBe('float32[1,3]');
    expect(listed(other.parameters.trainable)).toContain('other/conv2/weight [5,5,4,8]');
  });
});

describe('the attacker', () => {
  const { result, parameters } = declareAttacker('train', imageOf(4));

  test('has 8,608,899 parameters', () => {
    // 25 (1*64 + 64*128 + 128*256 + 256*512) weights each way, biases, and scale and shift of seven norms
    const weights = 2 * 25 * (64 + 64 * 128 + 128 * 256 + 256 * 512);
    const biases = 64 + 128 + 256 + 512 + 256 + 128 + 64 + 1;
    const norms = 2 * (128 + 256 + 512 + 256 + 128 + 64 + 1);
    expect(weights + biases + norms).toBe(8_608_899);
    expect(sizeOf(parameters.trainable)).toBe(8_608_899);
  });

  test('names and shapes its parameters', () => {
    expect(listed(parameters.trainable)).toEqual([
      'attacker/conv1/weight [5,5,1,64]',
      'attacker/conv1/bias [64]',
      'attacker/conv2/weight [5,5,64,128]',
      'attacker/conv2/bias [128]',
      'attacker/norm2/weight [128]',
      'attacker/norm2/bias [128]',
      'attacker/conv3/weight [5,5,128,256]',
      'attacker/conv3/bias [256]',
      'attacker/norm3/weight [256]',
      'attacker/norm3/bias [256]',
      'attacker/conv4/weight [5,5,256,512]',
      'attacker/conv4/bias [512]',
      'attacker/norm4/weight [512]',
      'attacker/norm4/bias [512]',
      'attacker/deconv1/weight [5,5,256,512]',
      'attacker/deconv1/bias [256]',
      'attacker/denorm1/weight [256]',
      'attacker/denorm1/bias [256]',
      'attacker/deconv2/weight [5,5,128,256]',
      'attacker/deconv2/bias [128]',
      'attacker/denorm2/weight [128]',
      'attacker/denorm2/bias [128]',
      'attacker/deconv3/weight [5,5,64,128]',
      'attacker/deconv3/bias [64]',
      'attacker/denorm3/weight [64]',
      'attacker/denorm3/bias [64]',
      'attacker/deconv4/weight [5,5,1,64]',
      'attacker/deconv4/bias [1]',
      'attacker/denorm4/weight [1]',
      'attacker/denorm4/bias [1]',
    ]);
    expect(parameters.buffers.map(({ name }) => name)).toEqual(
      ['norm2', 'norm3', 'norm4', 'denorm1', 'denorm2', 'denorm3', 'denorm4'].flatMap((norm) => [
        `attacker/${norm}/running_mean`,
        `attacker/${norm}/running_var`,
      ]),
    );
  });

  test('goes down to 2x2 and up again, with the activations of the paper', () => {
    const steps = b.topologicalOrder([declareAttacker('infer', imageOf('batch')).result]);
    const shown = steps.filter(({ op }) => !['Transpose', 'Mul', 'Clip'].includes(op));
    expect(shown.map(({ op, outputs: [y] }) => `${op} ${b.showType(y!)}`)).toEqual([
      'Conv float32[batch,64,14,14]',
      'LeakyRelu float32[batch,64,14,14]',
      'Conv float32[batch,128,7,7]',
      'BatchNormalization float32[batch,128,7,7]',
      'LeakyRelu float32[batch,128,7,7]',
      'Conv float32[batch,256,4,4]',
      'BatchNormalization float32[batch,256,4,4]',
      'LeakyRelu float32[batch,256,4,4]',
      'Conv float32[batch,512,2,2]',
      'BatchNormalization float32[batch,512,2,2]',
      'LeakyRelu float32[batch,512,2,2]',
      'ConvTranspose float32[batch,256,4,4]',
      'BatchNormalization float32[batch,256,4,4]',
      'Relu float32[batch,256,4,4]',
      'ConvTranspose float32[batch,128,7,7]',
      'BatchNormalization float32[batch,128,7,7]',
      'Relu float32[batch,128,7,7]',
      'ConvTranspose float32[batch,64,14,14]',
      'BatchNormalization float32[batch,64,14,14]',
      'Relu float32[batch,64,14,14]',
      'ConvTranspose float32[batch,1,28,28]',
      'BatchNormalization float32[batch,1,28,28]',
      'Tanh float32[batch,1,28,28]',
    ]);
    expect(b.showType(result)).toBe('float32[4,1,28,28]');
    const slopes = steps.filter(({ op }) => op === 'LeakyRelu').map(({ attrs }) => attrs);
    expect(slopes).toEqual(new Array(4).fill({ alpha: 0.2 }));
  });

  const bounds: readonly Bound[] = ['tanh', 'clamp'];
  describe.for(bounds)('with the bound %s', (bound) => {
    const eps = 0.3;
    const random = stream(1, 'models', 'bound', bound);
    // weights far beyond those that training finds: tanh is driven to its ends
    const weights = begin([...parameters.trainable, ...parameters.buffers], random, 20);
    const image = drawn('float32', [4, 1, 28, 28], between(random, 0, 1));

    test.for(['train', 'infer'] as const)(
      'changes no pixel by more than eps in phase %s, and reaches it',
      async (phase) => {
        const input = imageOf(4);
        const perturbation = declareAttacker(phase, input, { eps, bound }).result;
        const outputs = {
          perturbation,
          unclipped: attack(input, perturbation, { clip: false }),
          clipped: attack(input, perturbation, { clip: true }),
        };
        const results = await evaluate(outputs, { image, ...weights }, 'cpu');
        const limit = Math.fround(eps);
        const changes = numbers(results.perturbation);
        expect(Math.max(...changes)).toBeLessThanOrEqual(limit);
        expect(Math.min(...changes)).toBeGreaterThanOrEqual(-limit);
        expect(Math.max(...changes.map(Math.abs))).toBeGreaterThan(0.99 * eps);

        const sums = numbers(image).map((pixel, i) => Math.fround(pixel + changes[i]!));
        expect(numbers(results.unclipped)).toEqual(sums);
        expect(numbers(results.clipped)).toEqual(sums.map((sum) => Math.min(Math.max(sum, 0), 1)));
        expect(sums.some((sum) => sum < 0) && sums.some((sum) => sum > 1)).toBe(true);
      },
    );
  });
});

describe('the programs', () => {
  const random = stream(1, 'models', 'programs');

  test('that are committed have these names and kinds', () => {
    const kinds = Object.entries(committedPrograms()).map(([name, { metadata }]) => [
      name,
      metadata.name,
      metadata.kind,
    ]);
    expect(kinds).toEqual([
      ['classifier-train', 'classifier-train', 'train'],
      ['classifier-infer', 'classifier', 'infer'],
      ['attacker-train', 'attacker-train', 'train'],
      ['alternating-train', 'alternating-train', 'train'],
      ['attacker-infer', 'attacker', 'infer'],
    ]);
  });

  test('of training have Adam state for every parameter of their own network, and no other', () => {
    const own = declareAttacker('train', imageOf(2)).parameters;
    const frozen = declareClassifier('infer', imageOf(2)).parameters;
    const { metadata } = attackerTrain({ batchSize: 2, learningRate: 1e-3, ...threat });
    const names = own.trainable.map(({ name }) => name);
    expect(metadata.state.map(({ name }) => name)).toEqual([
      ...names,
      ...own.buffers.map(({ name }) => name),
      'adam/step/attacker',
      ...names.map((name) => `adam/m/${name}`),
      ...names.map((name) => `adam/v/${name}`),
    ]);
    expect(metadata.frozen.map(({ name }) => name)).toEqual(
      [...frozen.trainable, ...frozen.buffers].map(({ name }) => name),
    );
    expect(metadata.options).toEqual({ batchSize: 2, learningRate: 1e-3, ...threat });
    expect(metadata.data.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join()}]`)).toEqual([
      'image float32[2,1,28,28]',
      'label int32[2]',
    ]);
  });

  test('of inference give each image of a batch what it gets alone', async () => {
    const { graph, metadata } = classifierInfer();
    const variables = declareClassifier('infer', imageOf(1)).parameters;
    const weights = begin([...variables.trainable, ...variables.buffers], random);
    expect(metadata.frozen.map(({ name }) => name)).toEqual(Object.keys(weights));
    const image = drawn('float32', [3, 1, 28, 28], between(random, 0, 1));
    const together = await evaluate(graph.outputs, { image, ...weights });
    expect(together.logits!.shape).toEqual([3, 10]);
    for (let n = 0; n < 3; n++) {
      const alone: b.Tensor = {
        ...image,
        shape: [1, 1, 28, 28],
        data: image.data.slice(784 * n, 784 * (n + 1)) as Float32Array,
      };
      const { logits, probabilities } = await evaluate(graph.outputs, { image: alone, ...weights });
      // the product of the last layer may be summed in another order for one row
      expect(numbers(logits!)).toBeAllClose(numbers(together.logits!).slice(10 * n, 10 * n + 10), {
        atol: 1e-5,
      });
      const powers = numbers(logits!).map(Math.exp);
      const sum = powers.reduce((a, p) => a + p, 0);
      expect(numbers(probabilities!)).toBeAllClose(
        powers.map((p) => p / sum),
        { atol: 1e-6 },
      );
    }
  });

  test('of the attacker give the perturbation and the attacked image', async () => {
    const { graph } = attackerInfer(threat);
    const variables = declareAttacker('infer', imageOf(1)).parameters;
    const weights = begin([...variables.trainable, ...variables.buffers], random);
    const image = drawn('float32', [2, 1, 28, 28], between(random, 0, 1));
    const results = await evaluate(graph.outputs, { image, ...weights }, 'cpu');
    const changes = numbers(results.perturbation!);
    expect(numbers(results.attacked!)).toEqual(
      numbers(image).map((pixel, i) => Math.min(Math.max(Math.fround(pixel + changes[i]!), 0), 1)),
    );
  });

  test('of training measure the loss and the accuracy of the step', async () => {
    const batch = 20;
    const { graph } = classifierTrain({ batchSize: batch, learningRate: 1e-3 });
    const { result, parameters } = declareClassifier('train', imageOf(batch));
    const feeds = {
      ...begin([...parameters.trainable, ...parameters.buffers], random),
      image: drawn('float32', [batch, 1, 28, 28], between(random, 0, 1)),
    };
    const logits = numbers((await evaluate({ logits: result }, feeds)).logits);
    const rows = Array.from({ length: batch }, (_, n) => logits.slice(10 * n, 10 * n + 10));
    const best = rows.map((row) => row.indexOf(Math.max(...row)));
    // three of four labels are what the network says
    const labels = best.map((k, n) => (n % 4 === 0 ? (k + 1) % 10 : k));
    const loss = rows.reduce((sum, row, n) => {
      const logSum = Math.log(row.reduce((a, z) => a + Math.exp(z), 0));
      return sum + (logSum - row[labels[n]!]!) / batch;
    }, 0);
    const measured = await evaluate(
      { loss: graph.outputs.loss!, accuracy: graph.outputs.accuracy! },
      { ...feeds, label: b.tensorOf('int32', [batch], labels) },
    );
    expect(numbers(measured.loss)).toBeAllClose([loss], { rtol: 1e-6 });
    expect(numbers(measured.accuracy)).toBeAllClose([0.75], { rtol: 1e-7 });
  });
});

describe('the alternating step', () => {
  const settings = { batchSize: 3, learningRate: 1e-3, ...threat };
  const joint = alternatingTrain(settings);
  const attackerAlone = attackerTrain(settings);
  const classifierAlone = classifierTrain(settings);
  const names = ({ metadata }: b.Program): string[] => metadata.state.map(({ name }) => name);

  test('has the state of both programs, under the same names, and nothing frozen', () => {
    expect(names(joint)).toEqual([...names(attackerAlone), ...names(classifierAlone)]);
    expect(joint.metadata.frozen).toEqual([]);
    expect(joint.metadata.options).toEqual(attackerAlone.metadata.options);
  });

  test.for(['plain', 'cpu', 'webgpu'] as const)(
    'is a step of each, C on the images that A made before its own step: %s',
    async (target) => {
      const random = stream(1, 'models', 'alternating');
      const feeds: Record<string, b.Tensor> = {
        image: drawn('float32', [3, 1, 28, 28], between(random, 0, 1)),
        label: drawn('int32', [3], whole(random, 0, 9)),
      };
      for (const { name, shape, init } of joint.metadata.state) {
        const positive = /running_var|adam\/v/.test(name);
        const next =
          init.kind === 'uniform'
            ? between(random, init.low, init.high)
            : positive
              ? between(random, 0.5, 1.5)
              : between(random, init.value - 0.3, init.value + 0.3);
        feeds[name] = name.startsWith('adam/step/')
          ? b.tensorOf('float32', [], [name.endsWith('attacker') ? 3 : 40])
          : drawn('float32', shape.map(Number), next);
      }
      const together = await evaluate(joint.graph.outputs, feeds, target);

      const image = imageOf(3);
      const own = declareAttacker('train', image, threat);
      const { attacked } = await evaluate({ attacked: attack(image, own.result, threat) }, feeds, target);
      const a = await evaluate(attackerAlone.graph.outputs, feeds, target);
      const c = await evaluate(classifierAlone.graph.outputs, { ...feeds, image: attacked }, target);
      const apart: Record<string, b.Tensor> = {
        ...a,
        ...c,
        'attacker/loss': a['loss']!,
        'attacker/accuracy': a['accuracy']!,
        'classifier/loss': c['loss']!,
        'classifier/accuracy': c['accuracy']!,
      };
      expect(numbers(a['loss']!)).not.toEqual(numbers(c['loss']!));
      for (const [name, tensor] of Object.entries(together)) {
        // the same operators on the same numbers, but a form may sum in another order
        expect(numbers(tensor)).toBeAllClose(numbers(apart[name]!), { atol: 1e-6, rtol: 1e-5 });
      }
    },
  );
});

describe('an attacker of another width', () => {
  const settings = { batchSize: 2, learningRate: 1e-3, ...threat };

  test.for([
    ['consecutive', attackerTrain],
    ['alternating', alternatingTrain],
  ] as const)('is trained and measured with that many channels, %s', ([, program]) => {
    const { metadata } = program({ ...settings, width: 8 });
    expect(metadata.options).toEqual({ ...settings, width: 8 });
    const shapes = new Map(metadata.state.map(({ name, shape }) => [name, shape]));
    expect(shapes.get('attacker/conv1/weight')).toEqual([5, 5, 1, 8]);
    const measured = attackerEval({ ...threat, width: 8 }).metadata.frozen;
    const own = measured.filter(({ name }) => name.startsWith('attacker/'));
    expect(own.length).toBeGreaterThan(0);
    for (const { name, shape } of own) expect(shapes.get(name)).toEqual(shape);
  });

  test('is the paper’s, which goes without saying, at 64', () => {
    const file = ({ graph, ...program }: b.Program): Uint8Array =>
      onnx.encodeProgram({ ...program, graph: b.lower(graph, 'plain') });
    expect(file(attackerTrain({ ...settings, width: 64 }))).toEqual(file(attackerTrain(settings)));
  });
});

describe('the attacker against other classifiers than C1', () => {
  const settings = { batchSize: 3, learningRate: 1e-3, ...threat };
  const random = stream(1, 'models', 'targets');
  const single = attackerTrain(settings);
  const weightsOf = () => {
    const { trainable, buffers } = declareClassifier('infer', imageOf(3)).parameters;
    return begin([...trainable, ...buffers], random);
  };
  /** Adam at its beginning, so that its first moments are a tenth of the gradient. */
  const state = Object.fromEntries(
    single.metadata.state.map(({ name, shape, init }) => {
      const next = init.kind === 'uniform' ? between(random, init.low, init.high) : () => init.value;
      return [name, drawn('float32', shape.map(Number), next)];
    }),
  );
  const batch = {
    image: drawn('float32', [3, 1, 28, 28], between(random, 0, 1)),
    label: drawn('int32', [3], whole(random, 0, 9)),
  };
  /** What a step measures, and the gradient of the first layer. */
  async function measured({ graph }: b.Program, weights: Readonly<Record<string, b.Tensor>>) {
    const { loss, accuracy, ['next/adam/m/attacker/conv1/weight']: moment } = graph.outputs;
    const outputs = { loss: loss!, accuracy: accuracy!, moment: moment! };
    const results = await evaluate(outputs, { ...state, ...batch, ...weights }, 'cpu');
    return {
      loss: numbers(results.loss)[0]!,
      accuracy: numbers(results.accuracy)[0]!,
      moment: numbers(results.moment),
    };
  }

  test('goes up the mean of the losses of several', async () => {
    const all = [weightsOf(), weightsOf(), weightsOf()];
    const apart = await Promise.all(all.map((weights) => measured(single, weights)));
    const named = all.map((weights, i) =>
      Object.fromEntries(
        Object.entries(weights).map(([name, tensor]) => [
          i === 0 ? name : name.replace('classifier/', `target${i + 1}/`),
          tensor,
        ]),
      ),
    );
    const several = attackerTrain({ ...settings, targets: 3 });
    const { frozen, state: itsState } = several.metadata;
    expect(frozen.map(({ name }) => name)).toEqual(named.flatMap((weights) => Object.keys(weights)));
    expect(itsState).toEqual(single.metadata.state);
    const together = await measured(several, Object.assign({}, ...named) as Record<string, b.Tensor>);
    const mean = (values: readonly number[]): number => values.reduce((a, x) => a + x) / values.length;
    expect(new Set(apart.map(({ loss }) => loss)).size).toBe(3);
    expect([together.loss]).toBeAllClose([mean(apart.map(({ loss }) => loss))], { rtol: 1e-6 });
    expect([together.accuracy]).toBeAllClose([mean(apart.map(({ accuracy }) => accuracy))], { rtol: 1e-6 });
    const expected = together.moment.map((_, at) => mean(apart.map(({ moment }) => moment[at]!)));
    const size = Math.max(...expected.map(Math.abs));
    expect(size).toBeGreaterThan(1e-8);
    expect(together.moment).toBeAllClose(expected, { atol: 2e-5 * size });
  });

  test('takes a step against an ONNX file as against the network that it holds', async () => {
    const weights = weightsOf();
    const infer = classifierInfer();
    const constants = new Map(
      Object.entries(weights).map(([name, tensor]) => [name, b.constant(tensor, name)]),
    );
    const file = onnx.encode(b.lower(b.bind(infer.graph, constants), 'plain'));
    const program = attackerTrain(settings, onnx.decode(file).graph);
    expect(program.metadata.frozen).toEqual([]);
    const given = await measured(program, {});
    const own = await measured(single, weights);
    expect([given.loss]).toBeAllClose([own.loss], { rtol: 1e-5 });
    expect(given.accuracy).toBe(own.accuracy);
    const size = Math.max(...own.moment.map(Math.abs));
    expect(given.moment).toBeAllClose(own.moment, { atol: 1e-4 * size });
  });

  test('refuses a graph that is no classifier of such images', () => {
    const image = b.input('image', 'float32', ['batch', 1, 28, 28]);
    const step = (graph: b.Graph) => () => attackerTrain(settings, graph);
    expect(step({ name: 'none', inputs: [image], outputs: { y: b.relu(image) } })).toThrow(
      'no output logits',
    );
    const small = b.input('image', 'float32', ['batch', 3, 8, 8]);
    const logits = b.reshape(b.reduceSum(small, { axes: [2, 3] }), [-1, 3]);
    expect(step({ name: 'small', inputs: [small], outputs: { logits } })).toThrow(
      'small takes images [3,8,8], not [1,28,28]',
    );
    const few = b.reduceSum(image, { axes: [1, 2] });
    expect(step({ name: 'few', inputs: [image], outputs: { logits: few } })).toThrow(
      'few has 28 classes, not 10',
    );
  });
});

describe('the gradient of a whole training step', () => {
  const batch = 3;

  interface Step {
    readonly loss: b.Value;
    readonly trainable: readonly b.nn.Variable[];
    /** State that has no gradient: statistics, the frozen classifier. */
    readonly fixed: readonly b.nn.Variable[];
  }

  function classifierStep(): Step {
    const { result, parameters } = declareClassifier('train', imageOf(batch));
    return { loss: b.nn.crossEntropy(result, labelOf(batch)), trainable: parameters.trainable, fixed: [] };
  }

  function attackerStep(model: ThreatModel): Step {
    const image = imageOf(batch);
    const own = declareAttacker('train', image, model);
    const target = declareClassifier('infer', attack(image, own.result, model));
    return {
      loss: b.neg(b.nn.crossEntropy(target.result, labelOf(batch))),
      trainable: own.parameters.trainable,
      fixed: [...target.parameters.trainable, ...target.parameters.buffers],
    };
  }

  const steps: Readonly<Record<string, () => Step>> = {
    classifier: classifierStep,
    'attacker, tanh, unclipped': () => attackerStep({ eps: 0.3, bound: 'tanh', clip: false }),
    'attacker, clamp, clipped': () => attackerStep({ eps: 0.3, bound: 'clamp', clip: true }),
  };

  const learningRate = 1e-3;
  test.for<readonly [name: string, program: b.Program, step: () => Step]>([
    [
      'the classifier goes down its loss',
      classifierTrain({ batchSize: batch, learningRate }),
      classifierStep,
    ],
    [
      "the attacker goes up the classifier's loss",
      attackerTrain({ batchSize: batch, learningRate, ...threat }),
      () => attackerStep(threat),
    ],
  ])('is what the program steps along: %s', async ([title, { graph, metadata }, build]) => {
    const { loss, trainable, fixed } = build();
    const random = stream(1, 'models', 'direction', title);
    const feeds = {
      image: drawn('float32', [batch, 1, 28, 28], between(random, 0, 1)),
      label: drawn('int32', [batch], whole(random, 0, 9)),
      ...begin([...trainable, ...fixed], random),
    };
    const zeros = metadata.state
      .filter(({ name }) => name.startsWith('adam/'))
      .map(({ name, shape }) => [name, drawn('float32', shape.map(Number), () => 0)] as const);
    const [first] = trainable;
    const [gradient] = b.grad(loss, [first!.value]);
    const moment = graph.outputs[`next/adam/m/${first!.name}`]!;
    const expected = numbers(await valueOf(gradient!, feeds));
    const actual = numbers(await valueOf(moment, { ...feeds, ...Object.fromEntries(zeros) }));
    // from zero, Adam's first moment becomes a tenth of the gradient; the same operators compute it
    const size = Math.max(...expected.map(Math.abs));
    expect(size).toBeGreaterThan(1e-6);
    expect(actual).toBeAllClose(
      expected.map((g) => g / 10),
      { atol: 1e-6 * size },
    );
  });

  /** The gradients of a step, and what to feed it: images that bring no unit near its kink. */
  async function prepare(title: string, build: () => Step) {
    const { loss, trainable, fixed } = build();
    const random = stream(5, 'models', 'gradient', title);
    const weights = begin([...trainable, ...fixed], random);
    const label = drawn('int32', [batch], whole(random, 0, 9));
    const double = (tensors: Readonly<Record<string, b.Tensor>>): Record<string, b.Tensor> =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, t]) => [name, t.dtype === 'float32' ? doubleOf(t) : t]),
      );
    const wide = double({ label, ...weights });
    const image = await drawOffKinks(
      loss,
      () => drawn('float32', [batch, 1, 28, 28], between(random, 0, 1)),
      (images) => ({ ...wide, image: doubleOf(images) }),
    );
    const gradients = b.grad(
      loss,
      trainable.map(({ value }) => value),
    );
    return {
      loss,
      trainable,
      random,
      feeds: { image, label, ...weights },
      double: double({ image, label, ...weights }),
      outputs: Object.fromEntries(trainable.map(({ name }, at) => [`gradient/${name}`, gradients[at]!])),
    };
  }

  const arrayOf = ({ data }: b.Tensor): Float32Array | Float64Array => data as Float32Array | Float64Array;

  test.for(Object.entries(steps))(
    'is the slope of the loss in random directions: %s',
    async ([title, build]) => {
      const { loss, trainable, random, double, outputs } = await prepare(title, build);
      const gradients = await evaluateGraph(inDouble(graphOf(outputs)), double);
      const opened = await openGraph<'loss'>(inDouble(graphOf({ loss })));
      // The steps move a unit by less than its distance from its kink. The loss is then a line in all but h^2, rounded to
      // some 1e-15 of its size, 2, which h turns into 3e-7.
      const h = 2 ** -27;
      for (let n = 0; n < 3; n++) {
        const direction = trainable.map(({ value }) =>
          drawn('float32', value.shape as readonly number[], between(random, -1, 1)),
        );
        const lossAt = async (by: number): Promise<number> => {
          const moved = trainable.map(({ name }, i) => {
            const [from, d] = [double[name]!, arrayOf(direction[i]!)];
            return [name, { ...from, data: arrayOf(from).map((value, at) => value + by * d[at]!) }] as const;
          });
          return numbers((await opened.run({ ...double, ...Object.fromEntries(moved) })).loss)[0]!;
        };
        let slope = 0;
        for (const [i, { name }] of trainable.entries()) {
          const [g, d] = [arrayOf(gradients[`gradient/${name}`]!), arrayOf(direction[i]!)];
          for (let at = 0; at < g.length; at++) slope += g[at]! * d[at]!;
        }
        expect(Math.abs(slope)).toBeGreaterThan(0.01);
        expect([slope]).toBeAllClose([((await lossAt(h)) - (await lossAt(-h))) / (2 * h)], {
          rtol: 1e-6,
          atol: 1e-6,
        });
      }
      await opened.close();
    },
  );

  test.for(Object.entries(steps))(
    'in float32 is that in float64, on every target: %s',
    async ([title, build]) => {
      const { feeds, double, outputs } = await prepare(title, build);
      const exact = await evaluateGraph(inDouble(graphOf(outputs)), double);
      for (const target of ['plain', 'cpu', 'webgpu', 'software', 'cuda'] as const) {
        const actual = await evaluate(outputs, feeds, target);
        // weight and bias together: before a batch norm the bias has a gradient of nothing but rounding
        const errors = new Map<string, { wrong: number; size: number }>();
        for (const name of Object.keys(exact)) {
          const layer = name.slice(0, name.lastIndexOf('/'));
          const error = errors.get(layer) ?? { wrong: 0, size: 0 };
          const [a, e] = [arrayOf(actual[name]!), arrayOf(exact[name]!)];
          for (let at = 0; at < e.length; at++) {
            error.wrong += (a[at]! - e[at]!) ** 2;
            error.size += e[at]! ** 2;
          }
          errors.set(layer, error);
        }
        // some twenty sums after one another, each off by 1e-7 of its terms: 2e-6 is seen
        const far = [...errors].filter(([, { wrong, size }]) => !(Math.sqrt(wrong / size) < 2e-5));
        expect(far).toEqual([]);
      }
    },
  );
});
