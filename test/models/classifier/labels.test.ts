import { expect, it } from 'vitest';
import { labelsIn } from '../../../src/models/classifier/labels.ts';

it.each<readonly [what: string, metadata: Record<string, string>, labels: readonly string[] | null]>([
  ['a Python dict of Ultralytics', { names: `{0: 'ape', 1: "bee's", 2: 'cat'}` }, ['ape', "bee's", 'cat']],
  ['a JSON list', { labels: '["ape", "bee"]' }, ['ape', 'bee']],
  ['a JSON object', { classes: '{"1": "bee", "0": "ape"}' }, ['ape', 'bee']],
  ['lines', { class_names: 'ape\nbee\n' }, ['ape', 'bee']],
  ['commas', { labels: 'ape, bee' }, ['ape', 'bee']],
  ['nothing', {}, null],
  ['something else', { names: 'ape', labels: '{0: 1}' }, null],
])('labels as %s', (_, metadata, labels) => {
  expect(labelsIn(metadata)).toEqual(labels);
});
