/** Where the settings come from, and where the token goes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { fetchModel } from '../../src/hub/fetch-model.js';
import { hubFromEnvironment } from '../../src/hub/hub.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';
import { fakeHubs, ID, modelFiles, repository, TOKEN } from './fake-hub.js';

const start = fakeHubs();
const newFolder = temporaryFolders();

describe('the cache', () => {
  it.each<[Record<string, string>, string]>([
    [{}, '/home/ann/.cache/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/xdg' }, '/xdg/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/xdg', HF_HOME: '/hf' }, '/hf/hub'],
    [{ HF_HOME: '/hf', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/hf', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/cache' }, '/cache'],
    [{ HF_HUB_CACHE: '', HF_HOME: '' }, '/home/ann/.cache/huggingface/hub'],
    [{ HF_HUB_CACHE: '~/models' }, '/home/ann/models'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's, which Python expands as well
    [{ HF_HOME: '$DATA/${WHERE}/hf', DATA: '/data', WHERE: 'here' }, '/data/here/hf/hub'],
  ])('of %j is %s', (env, cache) => {
    expect(hubFromEnvironment({ HOME: '/home/ann', ...env }).cache).toBe(cache);
  });
});

describe('the endpoint', () => {
  it.each([
    ['', 'https://huggingface.co'],
    ['https://mirror.example/', 'https://mirror.example'],
    ['http://localhost:8080/hub/', 'http://localhost:8080/hub'],
  ])('of %j is %s', (HF_ENDPOINT, endpoint) => {
    expect(hubFromEnvironment({ HF_ENDPOINT }).endpoint).toBe(endpoint);
  });

  it.each(['nonsense', 'ftp://a.example', 'https://ann:secret@mirror.example'])(
    'is not %s',
    (HF_ENDPOINT) => {
      const refused = () => hubFromEnvironment({ HF_ENDPOINT });
      expect(refused).toThrow(RequestError);
      expect(refused).not.toThrow(/secret/);
    },
  );
});

describe('the token', () => {
  const page = new URL('https://huggingface.co/api');
  const sent = (env: Record<string, string>) => hubFromEnvironment(env).headers(page).authorization;

  it('comes from the environment, or from a file', () => {
    const home = newFolder();
    expect(sent({ HF_HOME: home })).toBeUndefined();
    writeFileSync(join(home, 'token'), 'hf_stored\n');
    writeFileSync(join(home, 'other'), '  hf_other \r\n');
    expect(sent({ HF_HOME: home })).toBe('Bearer hf_stored');
    expect(sent({ HF_HOME: home, HF_TOKEN_PATH: join(home, 'other') })).toBe('Bearer hf_other');
    expect(sent({ HF_HOME: home, HF_TOKEN: 'hf_given' })).toBe('Bearer hf_given');
    expect(sent({ HF_HOME: home, HUGGING_FACE_HUB_TOKEN: 'hf_older' })).toBe('Bearer hf_older');
    expect(sent({ HF_HOME: home, HF_TOKEN: 'hf_given', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).toBeUndefined();
    mkdirSync(join(home, 'folder'));
    expect(() => sent({ HF_TOKEN_PATH: join(home, 'folder') })).toThrow('not a regular file');
  });

  it.each(['hf_sec\u00e9ret', 'hf_sec\u0000ret', 'hf_sec ret'])(
    '%j is refused without being quoted',
    (HF_TOKEN) => {
      expect(() => sent({ HF_TOKEN })).toThrow('the token in HF_TOKEN has characters that no token has');
      expect(() => sent({ HF_TOKEN })).not.toThrow(/sec/);
    },
  );

  it.each([
    ['http://huggingface.co/', 'another scheme'],
    ['https://huggingface.co:8443/', 'another port'],
    ['https://cdn.huggingface.co/', 'a host below'],
    ['https://huggingface.co.evil.example/', 'a host above'],
  ])('is not sent to %s: %s', (address) => {
    const headers = hubFromEnvironment({ HF_TOKEN: TOKEN }).headers(new URL(address));
    expect(JSON.stringify(headers)).not.toContain(TOKEN);
  });

  it('stays with the hub when it sends on to its storage', async () => {
    const { server, as } = await start([repository(modelFiles(), { token: TOKEN })]);
    await fetchModel(as({ HF_TOKEN: TOKEN }), ID);
    const tokens = (which: string) =>
      new Set(
        server.requests.filter((each) => each.server === which).map(({ authorization }) => authorization),
      );
    expect(tokens('hub')).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(tokens('storage')).toEqual(new Set([undefined]));
  });

  it('is in no message, whatever happens', async () => {
    const { server, as } = await start();
    const hub = as({ HF_TOKEN: TOKEN });
    const answers: [number, Record<string, string>][] = [
      ...[400, 401, 403, 404, 418, 429, 500].map((status): [number, Record<string, string>] => [status, {}]),
      [302, { location: 'http://127.0.0.1:1/?Signature=signed' }],
      [302, { location: 'nowhere:' }],
    ];
    for (const [status, headers] of answers) {
      server.intercept = ({ request, response }) => {
        response.writeHead(status, { ...headers, 'x-error-message': String(request.headers.authorization) });
        response.end(String(request.headers.authorization));
        return true;
      };
      const error = (await fetchModel(hub, ID).catch((failure: unknown) => failure)) as Error;
      expect(error).toBeInstanceOf(Error);
      for (let each: unknown = error; each instanceof Error; each = each.cause) {
        expect(`${each.message} ${each.stack} ${JSON.stringify(each)}`).not.toMatch(/secret|signed/i);
      }
    }
    expect(JSON.stringify(hub)).not.toContain(TOKEN);
  });
});
