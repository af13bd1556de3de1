import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkFit, fitPicture, type FitOptions } from '../../../src/runtime/data/fit.ts';
import type { Picture } from '../../../src/runtime/data/picture.ts';

/** A picture with edges everywhere. */
const picture = (width: number, height: number): Picture => ({
  width,
  height,
  grey: false,
  rgb: Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return (x * 37 + y * 11 + c * 83 + ((x * y) % 7) * 19) % 256;
  }),
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const square = (channels: number, side: number) => ({ channels, height: side, width: side });

/**
 * Bytes of Pillow 11.3: the picture is made grey by convert('L') where it has one channel, resized with BILINEAR to the
 * size of torchvision's Resize(resize), cropped as CenterCrop(side), and laid out [channels, height, width].
 */
const pillow = [
  {
    of: [23, 17],
    side: 8,
    resize: 9,
    channels: 3,
    first: [152, 95, 64, 155, 139, 64],
    sha256: '9b3a6ac27c07d7ea41b5b140383a7da0e64544325b04cbde5236dd71f69773d8',
  },
  {
    of: [23, 17],
    side: 40,
    resize: 46,
    channels: 3,
    first: [205, 197, 140, 84, 79, 99],
    sha256: 'bf2c3548844b65a49ea40d51aef69e34ec8c97ad7db6b6945808251fa904d87d',
  },
  {
    of: [17, 40],
    side: 10,
    resize: 12,
    channels: 1,
    first: [106, 119, 143, 165, 152, 111],
    sha256: '2ee950bcf1c1ba4c5ad547dc2652412674578a2671defb249fd78d58e5607282',
  },
  {
    of: [100, 63],
    side: 64,
    resize: 73,
    channels: 3,
    first: [175, 165, 116, 121, 186, 93],
    sha256: '2aba194e8d86d2ab04f654f355695d186b5c9241cb36d4e36f2abd11ca8b8aec',
  },
  {
    of: [9, 300],
    side: 28,
    resize: 28,
    channels: 1,
    first: [127, 127, 112, 97, 82, 79],
    sha256: 'b3435de99a8efad36f33a200bff5d2c8961f618653f9759d37cc1de231536091',
  },
] as const;

/** The same with other filters; two sizes are those of the whole picture, height first. */
const filtered = [
  {
    of: [23, 17],
    image: [3, 8, 8],
    resize: 9,
    interpolation: 'bicubic',
    first: [162, 91, 52, 158, 148, 59],
    sha256: 'ea86bc60061dfb897b559d08afc3c1fa925b8819c0210f51a97a8a40a63e0ad1',
  },
  {
    of: [23, 17],
    image: [3, 40, 40],
    resize: 46,
    interpolation: 'bicubic',
    first: [223, 211, 142, 74, 64, 96],
    sha256: '2d77a8e5c92c1e4d07168cf43680f5a4f8cfbfeb61faeedf6cb09fac87287664',
  },
  {
    of: [17, 40],
    image: [1, 10, 10],
    resize: 12,
    interpolation: 'bicubic',
    first: [104, 118, 142, 170, 153, 107],
    sha256: 'ce3c294deb89b68e171a59aae76f4ca78e975d8649e0afcd29b52bc7756bb624',
  },
  {
    of: [100, 63],
    image: [3, 64, 64],
    resize: 73,
    interpolation: 'lanczos',
    first: [195, 182, 105, 119, 221, 99],
    sha256: 'a5a216085d4c35e90ed64583e047baeb5cc32acb3e7c8696db92285949c3d9ea',
  },
  {
    of: [9, 300],
    image: [1, 28, 28],
    resize: 28,
    interpolation: 'lanczos',
    first: [135, 128, 115, 98, 81, 73],
    sha256: '89034ecbe758c7bdb689d458793ea0e7ecf232b0b1f95cf3c282a0566c7e0abb',
  },
  {
    of: [30, 20],
    image: [3, 16, 12],
    resize: [24, 20],
    interpolation: 'bicubic',
    first: [71, 106, 211, 117, 164, 49],
    sha256: '2e65377a1955ba19b559df19cb8952c4ac1c6af12a885346142b010520a87673',
  },
] as const;

describe('a picture that is resized and cropped', () => {
  it.each(pillow)(
    'has the bytes of Pillow: $of to $side',
    ({ of: [width, height], side, resize, channels, ...expected }) => {
      const bytes = fitPicture(picture(width, height), square(channels, side), { resize });
      expect([...bytes.subarray(0, 6)]).toEqual(expected.first);
      expect(sha256(bytes)).toBe(expected.sha256);
    },
  );

  it.each(filtered)(
    'has the bytes of Pillow: $of to $image, $interpolation',
    ({ of: [width, height], image, resize, interpolation, ...expected }) => {
      const shape = { channels: image[0], height: image[1], width: image[2] };
      const bytes = fitPicture(picture(width, height), shape, { resize, interpolation });
      expect([...bytes.subarray(0, 6)]).toEqual(expected.first);
      expect(sha256(bytes)).toBe(expected.sha256);
    },
  );

  it.each([{ crop: false }, { resize: [16, 12] as const }])('may be resized as a whole: %j', (options) => {
    const bytes = fitPicture(picture(30, 20), { channels: 3, height: 16, width: 12 }, options);
    // Pillow 11.3: resize((12, 16), BILINEAR)
    expect(sha256(bytes)).toBe('c4554cf869378f5d2b7a90b225da1bcd0a49d73d6b1f663cac364283a100eb8a');
  });

  it('may be a strip: only its middle is computed', () => {
    const strip = { width: 1, height: 10_000, grey: false, rgb: new Uint8Array(30_000).fill(9) };
    expect(new Set(fitPicture(strip, square(3, 224)))).toEqual(new Set([9]));
  });
});

describe('without options', () => {
  it.each([
    [224, 256],
    [299, 342],
    [64, 73],
  ])('an image of %d is cut out of %d', (side, resize) => {
    const [whole, image] = [picture(400, 300), square(3, side)];
    expect(sha256(fitPicture(whole, image))).toBe(sha256(fitPicture(whole, image, { resize })));
  });

  it('a small image has no border cut off', () => {
    expect(fitPicture(picture(50, 40), square(3, 32))).toEqual(
      fitPicture(picture(50, 40), square(3, 32), { resize: 32 }),
    );
  });

  it('a picture of the right size is left as it is', () => {
    const { rgb } = picture(224, 224);
    const expected = Uint8Array.from(
      { length: rgb.length },
      (_, i) => rgb[3 * (i % 224 ** 2) + Math.floor(i / 224 ** 2)]!,
    );
    expect(sha256(fitPicture(picture(224, 224), square(3, 224)))).toBe(sha256(expected));
  });

  it('an image that is not square is covered', () => {
    const image = { channels: 1, height: 20, width: 10 };
    for (const [width, height] of [
      [10, 20],
      [40, 20],
      [10, 90],
      [3, 3],
    ] as const) {
      expect(fitPicture(picture(width, height), image)).toHaveLength(200);
    }
    // one colour stays that colour up to every edge
    const plain = { ...picture(31, 17), rgb: new Uint8Array(3 * 31 * 17).fill(200) };
    expect(new Set(fitPicture(plain, image))).toEqual(new Set([200]));
  });
});

describe('what cannot be', () => {
  it.each([
    [
      square(3, 224),
      { resize: 200 },
      "resize must be an integer in 224..16384, the image's longer side at least; got 200",
    ],
    [square(3, 224), { resize: 256.5 }, 'got 256.5'],
    [
      square(3, 224),
      { resize: 256, crop: false },
      'resize and crop: false exclude each other; leave one out',
    ],
    [
      square(3, 224),
      { resize: [256, 200] },
      "resize must be integers from 224x224, the image's size, to 16384x16384; got 256x200",
    ],
    [
      square(3, 224),
      { interpolation: 'nearest' },
      'interpolation must be one of bilinear, bicubic, lanczos; got nearest',
    ],
    [square(4, 224), {}, 'pictures have 1 or 3 channels, the classifier takes 4'],
  ])('is rejected: %j %j', (image, options, message) => {
    expect(() => checkFit(image, options as FitOptions)).toThrow(message);
  });
});
