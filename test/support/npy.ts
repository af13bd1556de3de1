const bytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64');

/** Files that numpy 2.4.6 wrote. */
export const numpyFiles = {
  /** `savez`: `x`, uint8 [3,4,5,3] of `arange(180) * 7 % 256`, and `y`, int64 [2,0,1]. */
  savez: bytes(
    'UEsDBC0AAAAAAAAAIQB3WIJv//////////8FABQAeC5ucHkBABAANAEAAAAAAAA0AQAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJ3x1MScsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgzLCA0LCA1LCAzKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tng5+71/AMKERgfJi00O0JJUFdeZWxzeoGIj5adpKuyucDHztXc4+rx+P8GDRQbIikwNz5FTFNaYWhvdn2Ei5KZoKeutbzDytHY3+bt9PsCCRAXHiUsMzpBSE9WXWRrcnmAh46VnKOqsbi/xs3U2+Lp8Pf+BQwTGiEoLzY9REtSWWBnbnV8g4qRmJ+mrbS7wsnQ197lUEsDBC0AAAAAAAAAIQCKGs4T//////////8FABQAeS5ucHkBABAAmAAAAAAAAACYAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxpOCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgzLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAgAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAUEsBAi0DLQAAAAAAAAAhAHdYgm80AQAANAEAAAUAAAAAAAAAAAAAAIABAAAAAHgubnB5UEsBAi0DLQAAAAAAAAAhAIoazhOYAAAAmAAAAAUAAAAAAAAAAAAAAIABawEAAHkubnB5UEsFBgAAAAACAAIAZgAAADoCAAAAAA==',
  ),
  /** `savez_compressed`: of the same images, `x_train` and `y_train` the first two; `x_test` and `y_test` the last, whose labels are uint8 [1,1]. */
  savezCompressed: bytes(
    'UEsDBC0AAAAIAAAAIQATFLMA//////////8LABQAeF90cmFpbi5ucHkBABAA+AAAAAAAAADKAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CiY6CqY6CsaaOgq1CmQALgZ2PlEZZS1DC3s335DopMyC8rrWnsmzFq5Yv23vkdOXbj54/u7rH2YuQQl5NV0TayfPgPC41JziqsaO/mlzl6zetPPA8XNX7zx+9fHHfzZeEWklTQNzO1ef4KjEjPyy2pbuSTMXLF+3dc/hUxdv3H/29stvJk4BcTlVHWMrRwBQSwMELQAAAAgAAAAhAINP8YL//////////wsAFAB5X3RyYWluLm5weQEAEACQAAAAAAAAAEgAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjqaOgq1ChQALiYGVAAAUEsDBC0AAAAIAAAAIQBQ/a5A//////////8KABQAeF90ZXN0Lm5weQEAEAC8AAAAAAAAAIwAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkahjoKJjoKpjoKxpo6CrUKZAAuD/+w2JTsosqG9r6pcxav2rhj/7GzV24/evnh+z9WHmEpRQ19M1sX76DIhPS80prmrokz5i9bu2X3oZMXrt97CgBQSwMELQAAAAgAAAAhABpmgrD//////////woAFAB5X3Rlc3QubnB5AQAQAIEAAAAAAAAARwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBeU2qorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOgqGmjoKtQpkAy5GAFBLAQItAy0AAAAIAAAAIQATFLMAygAAAPgAAAALAAAAAAAAAAAAAACAAQAAAAB4X3RyYWluLm5weVBLAQItAy0AAAAIAAAAIQCDT/GCSAAAAJAAAAALAAAAAAAAAAAAAACAAQcBAAB5X3RyYWluLm5weVBLAQItAy0AAAAIAAAAIQBQ/a5AjAAAALwAAAAKAAAAAAAAAAAAAACAAYwBAAB4X3Rlc3QubnB5UEsBAi0DLQAAAAgAAAAhABpmgrBHAAAAgQAAAAoAAAAAAAAAAAAAAIABVAIAAHlfdGVzdC5ucHlQSwUGAAAAAAQABADiAAAA1wIAAAAA',
  ),
  /** `save`: float32 [2,1,3,4], `linspace(0, 1, 24)`. */
  float32: bytes(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDEsIDMsIDQpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAQxYyPUMWsj2ykAU+QxYyPtObXj6ykIU+etObPkMWsj4LWcg+05vePpze9D6ykAU/FrIQP3rTGz/f9CY/QxYyP6c3PT8LWUg/b3pTP9ObXj84vWk/nN50PwAAgD8=',
  ),
  /** `save`: zeros, uint8 [2,3,4] in Fortran order. */
  fortran: bytes(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  ),
  /** `save`: zeros, big-endian float32 [2,3,4]. */
  bigEndian: bytes(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMsIDQpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  ),
} as const;

/**
 * An npy file as numpy.lib.format describes version 1.0; `data` may be of another length than `shape` says.
 *
 * @param descr the type of the elements, such as `<f4`.
 */
export function encodeNpy(descr: string, shape: readonly number[], data: ArrayBufferView): Uint8Array {
  const lengths = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${lengths}), }`;
  const header = dictionary.padEnd(64 * Math.ceil((dictionary.length + 11) / 64) - 11) + '\n';
  return Buffer.concat([
    Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length % 256, header.length >> 8]),
    Buffer.from(header, 'latin1'),
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}
