import type { DemoData } from '../../runtime/experiment/demo-data.ts';
import { upgradeManifest, type StoredManifest } from '../../runtime/experiment/manifest.ts';
import { grey, paint } from '../picture/palette.ts';
import { digitsOf } from '../samples.ts';

/**
 * The target of the page's own run and one sample of each class, as if somebody had dropped them.
 *
 * @throws Error in one line when the page has none.
 */
export async function pageFiles(): Promise<readonly File[]> {
  const [stored, data] = await Promise.all([
    json<StoredManifest>('models.json'),
    json<DemoData>('demo.json'),
  ]);
  const { cells, classifier } = upgradeManifest(stored);
  const { url } = cells[0]!.models.c1;
  const model = await (await fetched(url)).arrayBuffer();
  const samples = digitsOf(data.samples).filter(
    ({ label }, i, all) => all.findIndex((one) => one.label === label) === i,
  );
  const { image } = classifier;
  const pictures = samples.map(async ({ label, pixels }) => {
    const canvas = new OffscreenCanvas(image.width, image.height);
    const bytes = paint(pixels, image, grey);
    canvas.getContext('2d')!.putImageData(new ImageData(bytes, image.width, image.height), 0, 0);
    return new File([await canvas.convertToBlob()], `${label}.png`, { type: 'image/png' });
  });
  return [new File([model], 'classifier-c1.onnx'), ...(await Promise.all(pictures))];
}

const json = async <T>(name: string): Promise<T> => (await (await fetched(name)).json()) as T;

async function fetched(name: string): Promise<Response> {
  const response = await fetch(name).catch(() => null);
  if (!response?.ok) throw new Error(`This page has no ${name.split('/').at(-1)} to take.`);
  return response;
}
