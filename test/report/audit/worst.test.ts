import { createCanvas, loadImage } from '@napi-rs/canvas';
import { describe, expect, it } from 'vitest';
import type { Audit } from '../../../src/runtime/audit/document.ts';
import { worstPicture } from '../../../src/report/audit/index.ts';
import { auditOf, audits, picturesOf } from '../../support/audits.ts';

// The middle of the first place for a perturbation, as test/cli/experiment/pictures.test.ts has it.
const middle = { x: 262 + 70, y: 420 + 70 };

/** The colour of the change in the middle of the first image, when every value changes by so much. */
async function colourOf(audit: Audit, change: number): Promise<readonly number[]> {
  const pictures = picturesOf(audit).samples.map(({ original }) => ({
    original,
    attacked: original.map((value) => value + change),
  }));
  const image = await loadImage(worstPicture(audit, { samples: pictures })!);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  return [...context.getImageData(middle.x, middle.y, 1, 1).data.subarray(0, 3)];
}

describe('worst.png', () => {
  it('draws a change by eps in full colour', async () => {
    expect(await colourOf(audits.plain, 0.1)).toEqual([178, 24, 43]);
    expect(await colourOf(audits.plain, -0.1)).toEqual([33, 102, 172]);
    const [red] = await colourOf(audits.plain, 0.05);
    expect(red).toBeGreaterThan(178);
  });

  it('draws the largest change of an image in full colour where eps is no limit of a pixel', async () => {
    expect(await colourOf(audits.euclidean, 0.004)).toEqual([255, 255, 255]);
    expect(await colourOf(audits.euclidean, -0.004)).toEqual([0, 0, 0]);
  });

  it('draws large colour images and long names', async () => {
    const image = await loadImage(worstPicture(audits.thousand, picturesOf(audits.thousand))!);
    expect([image.width, image.height]).toEqual([1872, 868]);
  });

  it('says when the accuracy is in doubt', () => {
    const audit = auditOf({ checks: audits.doubt.checks });
    const pictures = picturesOf(audit);
    expect(worstPicture(audit, pictures)!.equals(worstPicture(audits.plain, pictures)!)).toBe(false);
  });

  it('is nothing where no image was broken', () => {
    expect(worstPicture(auditOf({ samples: [] }), { samples: [] })).toBeNull();
  });
});
