// Drives the client of the package http-cache-tests: `list` writes its tests and the results it was published with,
// `run BASE [ID...]` runs them and writes the results. The package's folder comes first.
import { createRequire } from 'module'
import fs from 'fs'
import http from 'http'
import path from 'path'
import { pathToFileURL } from 'url'

const [folder, action, base, ...ids] = process.argv.slice(2)
const load = file => import(pathToFileURL(path.join(folder, file)))
const suites = (await load('tests/index.mjs')).default

if (action === 'list') {
  const results = path.join(folder, 'results')
  const published = {}
  for (const file of fs.readdirSync(results).filter(name => name.endsWith('.json'))) {
    published[path.basename(file, '.json')] = JSON.parse(fs.readFileSync(path.join(results, file)))
  }
  console.log(JSON.stringify({ suites, published }))
} else {
  const fetch = createRequire(path.join(folder, 'package.json'))('node-fetch')
  // Node 14, for which the suite was written, kept no connections: now a server may close one just as it is used again
  http.globalAgent = new http.Agent({ keepAlive: false })
  const { runTests, getResults } = await load('client/runner.mjs')
  const wanted = suites.map(suite => ({ ...suite, tests: suite.tests.filter(test => !ids.length || ids.includes(test.id)) }))
  await runTests(wanted, fetch, false, base)
  console.log(JSON.stringify(getResults()))
}
