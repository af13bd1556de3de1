import { Command } from '@commander-js/extra-typings';
import { selfTestModel } from '../../models/selftest.ts';
import { devices, type DeviceReport } from '../../runtime/index.ts';

/** `sparring devices`: which execution providers work here, and if not, why not and what to do. */
export function devicesCommand() {
  return new Command('devices')
    .description('Try every execution provider and say which work here, and why others do not.')
    .option('--json', 'print the reports as JSON')
    .action(async ({ json }) => {
      const reports = await devices(selfTestModel());
      if (json) console.log(JSON.stringify(reports, null, 2));
      else for (const report of reports) console.log(describe(report));
    });
}

const describe = (report: DeviceReport): string =>
  report.works
    ? `${report.device.padEnd(7)} works: self-test in ${report.milliseconds.toFixed(1)} ms`
    : `${report.device.padEnd(7)} does not work: ${report.reason}; ${report.remedy}`;
