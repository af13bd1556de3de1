import { wilson } from '../../src/runtime/audit/wilson.ts';
import type { Evaluation, Measure, Player } from '../../src/runtime/index.ts';
import { modelsOf, type MadeUp } from './results.ts';

const measure = (accuracy: number): Measure => ({
  accuracy,
  interval: wilson(10_000 * accuracy, 10_000),
  loss: -Math.log(Math.max(accuracy, 1e-3)),
});

/** An `evaluation.json` of the given cells with a warning, curves and a matrix: nobody measured these numbers. */
export function evaluationOf(cells: readonly MadeUp[]): Evaluation {
  const folderOf = ({ mode, eps, seed = 1 }: MadeUp): string => `${mode}-eps${eps}-seed${seed}`;
  const classifier = (knowledge: 'white-box' | 'transfer', left: number) => ({
    knowledge,
    clean: measure(0.99),
    attacks: {
      noise: measure(0.985),
      fgsm: measure(0.6 * left + 0.1),
      pgd: measure(0.5 * left),
      attacker: measure(left),
    },
    worst: measure(0.4 * left),
  });
  const player = (cell: MadeUp, role: Player['role'], name: string): Player => ({
    name: `${cell.mode} eps ${cell.eps} seed 1 ${name}`,
    run: '.',
    folder: folderOf(cell),
    role,
    mode: cell.mode,
    eps: cell.eps,
    seed: 1,
    clip: false,
    architecture: 'paper',
    model: modelsOf(cell)[role],
  });
  const attackers = cells.map((cell) => player(cell, 'attacker', 'A'));
  const classifiers = cells.flatMap((cell) => [player(cell, 'c1', 'C1'), player(cell, 'c2', 'C2')]);
  return {
    schema: 1,
    environment: {
      device: 'cpu',
      threads: 2,
      onnxruntime: '1.29.0',
      node: '20.20.2',
      platform: 'linux-x64',
      cpu: 'a processor',
      sparring: '0.1.0',
      commit: 'f'.repeat(40),
      seconds: 12,
    },
    command: ['evaluate', 'runs/made-up'],
    data: { source: 'mnist', sha256: '0'.repeat(64), images: 10_000 },
    threat: {
      norm: 'Linf',
      goal: 'untargeted',
      precision: 'float32',
      knowledge: { c1: 'white-box', c2: 'transfer' },
    },
    attacks: [
      { attack: 'noise', seed: 1 },
      { attack: 'fgsm', loss: 'cross-entropy', steps: 1, stepSize: 1 },
      {
        attack: 'pgd',
        loss: 'cross-entropy',
        steps: 40,
        stepSize: 0.05,
        restarts: 2,
        start: 'uniform',
        seed: 1,
      },
      { attack: 'attacker' },
    ],
    cells: cells.map((cell) => ({
      folder: folderOf(cell),
      mode: cell.mode,
      eps: cell.eps,
      seed: 1,
      bound: 'tanh',
      clip: false,
      models: modelsOf(cell),
      c1: classifier('white-box', cell.c1),
      c2: classifier('transfer', cell.c2),
      masks: `${folderOf(cell)}/masks.safetensors`,
    })),
    curves: (['c1', 'c2'] as const).flatMap((name) =>
      (['noise', 'fgsm', 'pgd'] as const).map((attack, i) => ({
        folder: folderOf(cells[0]!),
        classifier: name,
        model: modelsOf(cells[0]!)[name],
        knowledge: name === 'c1' ? 'white-box' : 'transfer',
        attack,
        clip: false,
        images: 1000,
        points: [0, 0.02, 0.08, 0.16, 0.32, 0.64].map((eps) => ({
          eps,
          ...measure(0.1 + 0.89 * Math.exp(-eps * i * (name === 'c1' ? 8 : 4))),
        })),
      })),
    ),
    doublings: [{ folder: folderOf(cells[0]!), images: 500, steps: 40, accuracy: 0.31, doubled: 0.305 }],
    matrix: {
      attackers,
      classifiers,
      images: 10_000,
      clean: classifiers.map(() => measure(0.99)),
      attacked: attackers.map((_, i) => classifiers.map((__, j) => measure((((i + 1) * (j + 1)) % 10) / 10))),
      transfer: attackers.map((_, i) =>
        classifiers.map((__, j) => ({
          images: (i + j) % 5 === 4 ? 0 : 9800,
          accuracy: (i + j) % 5 === 4 ? null : 0.5,
        })),
      ),
    },
    warnings: [
      {
        check: 'attacker-below-pgd',
        folder: folderOf(cells[0]!),
        classifier: 'c1',
        message: 'the attacker leaves 20.0 %, PGD-40 31.0 %: PGD is broken or has too few steps',
      },
    ],
  };
}
