import { expect, it, vi } from 'vitest';
import { RunError } from '../../src/errors.js';
import { checkpointFolder } from '../../src/pipeline/open-model.js';
import { COMMIT, fakeHubs, ID, type Place } from '../hub/fake-hub.js';

const start = fakeHubs();

/** What opening a model ends with where this is the hub. */
async function failure(place: Place, model: string): Promise<Error> {
  vi.stubEnv('HF_ENDPOINT', place.server.url);
  vi.stubEnv('HF_HUB_CACHE', place.cache);
  try {
    return await checkpointFolder(model).then(
      () => expect.fail('the model was opened'),
      (error: Error) => error,
    );
  } finally {
    vi.unstubAllEnvs();
  }
}

it.each(['models/quickstrat', `models/quickstrat@${COMMIT}`])(
  'says of %s that there is no such folder where the hub gives no answer',
  async (model) => {
    const place = await start();
    place.server.intercept = ({ response }) => {
      response.writeHead(503, { 'retry-after': '0' });
      return !!response.end();
    };
    const error = await failure(place, model);
    expect(error).toBeInstanceOf(RunError);
    expect(error.message).toMatch(
      /^model models\/quickstrat\S*: the server answered 503, after 5 attempts\. /,
    );
    expect(error.message.endsWith(`There is no folder ${model}, so the hub was asked`)).toBe(true);
  },
);

it('says nothing of a folder where the hub knows the model', async () => {
  const place = await start();
  place.server.intercept = ({ server, response }) => {
    if (server === 'hub') return false;
    response.writeHead(503, { 'retry-after': '0' });
    return !!response.end();
  };
  expect((await failure(place, ID)).message).toMatch(
    /^org\/tiny\/model\.safetensors: .* answered 503, after 5 attempts; the same command goes on from what is there$/,
  );
});
