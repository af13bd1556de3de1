import { describe, expect, it } from 'vitest';
import { picturesOf } from '../../../src/models/classifier/pictures.ts';

const square = (side: number) => ({ channels: 3, height: side, width: side });

/** What a preprocessor_config.json says of images of a side. */
const processor = (json: object, side = 224) => picturesOf({}, { preprocessor: json }, square(side));
/** What the pretrained_cfg of a config.json of timm says. */
const timm = (json: object, side = 224) => picturesOf({}, { config: { pretrained_cfg: json } }, square(side));

const edge = { size: { shortest_edge: 256 }, crop_size: { height: 224, width: 224 }, resample: 3 };

describe('preprocessor_config.json', () => {
  it('says the shorter side and the crop', () => {
    expect(processor(edge)).toEqual({
      fit: { resize: 256, interpolation: 'bicubic' },
      text: 'the shorter side of a picture becomes 256, its middle is cropped, bicubic (preprocessor_config.json)',
    });
  });

  it('says the size of the whole picture', () => {
    expect(processor({ size: { height: 224, width: 224 }, resample: 2 })).toEqual({
      fit: { resize: [224, 224], interpolation: 'bilinear' },
      text: 'the whole picture becomes 224x224, bilinear (preprocessor_config.json)',
    });
    expect(processor({ ...edge, size: { height: 256, width: 256 } }).text).toMatch(
      /^the whole picture becomes 256x256, its middle is cropped, bicubic/,
    );
  });

  // what the classes of transformers do with the same keys
  it.each([
    ['ViTFeatureExtractor', { size: 224 }, [224, 224]],
    ['CLIPFeatureExtractor', { size: 224, crop_size: 224 }, 224],
    ['DeiTFeatureExtractor', { size: 256, crop_size: 224, do_center_crop: true }, [256, 256]],
    ['ConvNextImageProcessor', { size: { shortest_edge: 224 }, crop_pct: 0.95 }, 235],
    ['ConvNextImageProcessor', { size: { shortest_edge: 224 } }, 256],
    ['ConvNextFeatureExtractor', { size: 224, crop_pct: null }, 256],
    ['LevitImageProcessor', { size: { shortest_edge: 224 }, crop_size: 224 }, 256],
    ['PoolFormerImageProcessor', { size: { shortest_edge: 224 }, crop_size: 224 }, 248],
    ['MobileNetV2ImageProcessor', { size: { shortest_edge: 256 }, crop_size: 224 }, 256],
  ])('of a %s with %j', (type, json, resize) => {
    const key = type.endsWith('Extractor') ? 'feature_extractor_type' : 'image_processor_type';
    expect(processor({ [key]: type, ...json }).fit).toEqual({ resize });
  });

  it('of a ConvNext of 384 pixels resizes the whole picture', () => {
    const json = {
      image_processor_type: 'ConvNextImageProcessor',
      size: { shortest_edge: 384 },
      crop_pct: 1,
    };
    expect(processor(json, 384).fit).toEqual({ resize: [384, 384] });
  });

  it.each([
    [{ do_resize: false }, 'does not resize pictures'],
    [{ ...edge, do_pad: true }, 'pads pictures, which is not done here'],
    [{ ...edge, do_center_crop: false }, 'does not crop what it has resized'],
    [{ size: { longest_edge: 512 } }, 'has an unknown size, {"longest_edge":512}'],
    [{ size: 224 }, 'has an unknown size, 224'],
    [{ size: { height: 384, width: 384 } }, 'makes images of 384x384, and the model takes 224x224'],
    [{ ...edge, size: { shortest_edge: 200 } }, 'resizes to 200, less than the model takes'],
    [{ ...edge, size: { shortest_edge: 0 } }, 'resizes to 0, and a length is an integer in 1..16384'],
    [{ ...edge, size: { shortest_edge: 16385 } }, 'resizes to 16385, and a length is an integer in 1..16384'],
    [
      { ...edge, size: { height: 256.5, width: 256 } },
      'resizes to 256.5x256, and a length is an integer in 1..16384',
    ],
  ])('that cannot be followed is said: %j', (json, why) => {
    expect(processor(json)).toEqual({
      fit: null,
      text: `pictures are resized as by default: preprocessor_config.json ${why}`,
    });
  });

  it('that asks for another filter is followed as far as it can be, which is said', () => {
    expect(processor({ ...edge, resample: 0 })).toEqual({
      fit: { resize: 256 },
      text:
        'the shorter side of a picture becomes 256, its middle is cropped, bilinear ' +
        '(preprocessor_config.json, which asks for "nearest")',
    });
  });

  it('says nothing of pictures where it only scales pixels', () => {
    expect(processor({ image_mean: [0.5], image_std: [0.5] })).toEqual({ fit: null, text: null });
  });
});

describe("timm's config.json", () => {
  it.each([
    [{ crop_pct: 0.875, interpolation: 'bicubic', crop_mode: 'center' }, 256],
    [{ crop_pct: 0.9, interpolation: 'bicubic' }, 248],
    [{ crop_pct: 1, interpolation: 'bicubic', crop_mode: 'squash' }, [224, 224]],
    [{ crop_pct: 0.9, interpolation: 'bicubic', crop_mode: 'squash' }, [248, 248]],
  ])('says %j', (json, resize) => {
    expect(timm({ input_size: [3, 224, 224], ...json }).fit).toEqual({ resize, interpolation: 'bicubic' });
  });

  it('has another crop for a larger model', () => {
    const json = { crop_pct: 0.875, test_input_size: [3, 288, 288], test_crop_pct: 1 };
    expect(timm(json, 288).fit).toEqual({ resize: 288 });
    expect(timm(json, 224).fit).toEqual({ resize: 256 });
  });

  it('that cannot be followed is said', () => {
    expect(timm({ crop_pct: 0.9, crop_mode: 'border' }).text).toBe(
      'pictures are resized as by default: config.json has the crop_mode "border" for 224x224, which is not done here',
    );
  });

  it('gives way to preprocessor_config.json', () => {
    const config = { pretrained_cfg: { crop_pct: 0.9 } };
    expect(picturesOf({}, { preprocessor: edge, config }, square(224)).fit).toMatchObject({ resize: 256 });
    const lacking = picturesOf({}, { preprocessor: { do_resize: false }, config }, square(224));
    expect(lacking.fit).toEqual({ resize: 248 });
  });
});

describe('an option', () => {
  it('decides, and leaves the rest to the file', () => {
    expect(picturesOf({ resize: 230 }, { preprocessor: edge }, square(224))).toEqual({
      fit: { resize: 230, interpolation: 'bicubic' },
      text: 'the shorter side of a picture becomes 230, its middle is cropped, bicubic (preprocessor_config.json, and the options)',
    });
    expect(
      picturesOf({ resize: [240, 250], interpolation: 'lanczos' }, { preprocessor: edge }, square(224)),
    ).toEqual({
      fit: { resize: [240, 250], interpolation: 'lanczos' },
      text: 'the whole picture becomes 240x250, its middle is cropped, lanczos (as the options say)',
    });
  });

  it('says it alone', () => {
    expect(picturesOf({ interpolation: 'bicubic' }, {}, square(224))).toEqual({
      fit: { interpolation: 'bicubic' },
      text: 'pictures are resized as by default, bicubic (as the options say)',
    });
  });
});
