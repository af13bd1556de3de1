import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** SwiftShader, a Vulkan in software, as Debian's Chromium brings it. */
const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Lets WebGPU in Node run on SwiftShader. Must be called before the first WebGPU session of the process.
 *
 * @returns whether the machine has it, and Vulkan's loader.
 */
export function useSoftwareVulkan(): boolean {
  if (process.platform !== 'linux' || !existsSync(driver) || !hasLoader()) return false;
  Object.assign(process.env, { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver });
  return true;
}

function hasLoader(): boolean {
  try {
    return execFileSync('ldconfig', ['-p'], { encoding: 'utf8' }).includes('libvulkan.so.1');
  } catch {
    return false;
  }
}
