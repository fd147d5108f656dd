// The npm packages of these tests: they lie in the build, so they are asked for by its path.
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.BROWSER_NPM}/package.json`);
export const load = (name) => import(require.resolve(name));
