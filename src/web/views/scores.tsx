import type { Manifest } from '../../runtime/experiment/manifest.ts';
import type { Demo } from '../demo.ts';
import type { ClassifierName } from '../engine/protocol.ts';
import { classifierName, number } from '../format.ts';

/** How the classifiers of the chosen attacker's cell did on all test images, as the run measured it. */
export function Scores({ demo }: { readonly demo: Demo }) {
  const { cell, target } = demo.lineUp.value;
  const { testImages } = demo.manifest.data;
  return (
    <table class="scores">
      <caption>
        Accuracy on {imagesOf(testImages)}, eps {number(cell.eps, 4)}, {cell.clip ? 'clipped' : 'unclipped'}{' '}
        <span class="role">{cell.mode} training</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Classifier</th>
          <th scope="col" class="number">
            Clean
          </th>
          <th scope="col" class="number">
            Noise
          </th>
          <th scope="col" class="number">
            Attacker
          </th>
        </tr>
      </thead>
      <tbody>
        {(['c1', 'c2'] as const).map((name) => {
          const scores = cell.final[name];
          if (!scores) return null;
          const { clean, noise, attacked } = scores;
          return (
            <tr>
              <th scope="row">
                {rowName(name, target)} <span class="role">{name.toUpperCase()}</span>
              </th>
              <td class="number">{accuracy(clean)}</td>
              <td class="number">{accuracy(noise)}</td>
              <td class="number">{attacked ? accuracy(attacked) : '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** C1 of a cell is the classifier that its attacker aims at. */
const rowName = (name: 'c1' | 'c2', target: ClassifierName): string =>
  classifierName(name === 'c1' ? target : name, target);

const accuracy = (scores: { readonly accuracy: number }): string => `${(100 * scores.accuracy).toFixed(1)} %`;

const imagesOf = (testImages: Manifest['data']['testImages']): string =>
  testImages === null ? 'the test images' : `${testImages.toLocaleString('en')} test images`;
