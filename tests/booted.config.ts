import { mergeConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import host from './host.config.ts';

/** The fault matrix first: its files take the longest, and one that began last would be alone at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const long = (file: TestSpecification): boolean => file.moduleId.includes('/tests/faults/');
    return [...sorted.filter(long), ...sorted.filter((file) => !long(file))];
  }
}

/** All that boots hosts, in one run: two runs would each have an end in which most workers have nothing to do. */
export default mergeConfig(host, {
  test: { include: ['tests/faults/**/*.test.ts'], sequence: { sequencer: LongestFirst } },
});
