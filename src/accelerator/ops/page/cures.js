// Each reason for which a request went to the application, or its answer was not kept, and what to do about it.
// It says in a line what the documentation's pages "Why was this not cached?" and "Cache-Status" say at length.
// "…" stands for anything. A test holds this against the source: each line is one reason and its cure.

export const CURES = [
  ["uri-miss", "Nothing is stored for this URL yet. If it comes again and again for one URL, another reason stands beside it."],
  ["vary-miss", "It is stored for other values of the fields that its Vary names. Leave out of Vary what the page does not depend on; Vary: User-Agent is a copy for each browser."],
  ["miss", "What was stored has been taken back. If that is often, a tag that each write takes back is too coarse for pages that show one row."],
  ["stale", "What was stored is past its time, or was softly taken back. A longer time helps, and stale_while_revalidate lets nobody wait."],
  ["request", "The request asks for something newer by its Cache-Control, or says who asks while the response is not public: cache_for(60, public=True), if it is the same for all who may ask."],
  ["method", "The method is not one that is answered from the store. If a POST only asks, say @cached(60, methods=[\"POST\"])."],
  ["bypass", "It has a condition that only the application can judge, content, or an upgrade; its partition is None; or the cache is switched off by enabled=False."],
  ["no explicit time", "Nobody said how long it holds. Say cache_for(60) or @cached(60) in the view, or Cache-Control: s-maxage=60; the option default_ttl=60 says it for all that say nothing."],
  ["an event stream needs an explicit time", "It may have no end, so default_ttl and heuristic do not keep it. If it ends, say cache_for(60) in the view."],
  ["a time of 0", "cache_for was given 0 seconds or less. If the view computes the time, it came out as nothing."],
  ["no time to be fresh", "It said max-age=0, no-cache or an Expires that is past, and has no ETag or Last-Modified. cache_for in the view takes the place of what it says."],
  ["Set-Cookie", "It sets a cookie, which must not reach another visitor. Leave pages with forms out, or load the form or its token by a request of its own."],
  ["private", "It says Cache-Control: private, so it is one visitor’s alone. Where that is wrong, take it off; nothing lifts it."],
  ["no-store", "It says Cache-Control: no-store, as admins and @never_cache do. Where that is wrong, take it off; nothing lifts it."],
  ["must-understand", "It says must-understand and has a status that this cache does not know. Take the directive off."],
  ["Vary", "It says Vary: *, or names what is no field. Name the fields by which the response is chosen."],
  ["status …", "Stored are success, redirects, 404 and 410. cacheable_errors=True keeps errors that say a time themselves; a part (206) is never kept."],
  ["a request with Cookie needs a word for shared caches", "It may have been made for the one who sent a cookie. If it is the same for everybody, say cache_for, s-maxage or public; cookies that nobody reads need not count: ignore_cookies."],
  ["a request with … needs public", "The request says who asks. If the response is the same for all who may ask, say cache_for(60, public=True); if it is one’s own, give each their own partition."],
  ["a request with credentials needs a word for shared caches", "The 304 answers a request that says who asks, so it freshens nothing that others get. Say s-maxage or public with it, or cache_for in the view."],
  ["vary() after the start", "vary() was called once the response had started. Call it before, or name the field in cache_for(60, vary=[\"X-Tenant\"])."],
  ["an unsafe request", "This POST changes something, so its answer is not kept. Nothing needs to be done."],
  ["no_store()", "The view, or something that it calls, said no_store(), or said by the scope what makes no sense, which the log tells."],
  ["tags", "A name was said that no tag can have, or more than 1000 of them, or Cache-Groups cannot be read. The log says which; look at what comes from the URL before it becomes a tag."],
  ["body too large", "It is longer than max_body_bytes, 8 MiB unless told. Raise it, or serve large files from outside."],
  ["incomplete response", "The application ended before the end of its response, or sent another number of bytes than its Content-Length says. Its own log has why."],
  ["trailers", "It announces trailers, which are not kept. Leave them out where it should be."],
  ["a malformed start", "What the application sent is no start of a response by ASGI: the server’s log tells what it made of it."],
  ["a malformed body", "The application sent a chunk that is not bytes. Send bytes."],
  ["a message of another kind", "The server sends the file itself (http.response.pathsend), or the application uses another extension. Serve such files from outside."],
  ["a request with content", "The GET came with content, on which its answer may depend. Ask by QUERY, or by a POST whose view says @cached(60, methods=[\"POST\"])."],
  ["the client left", "The client went away before the response was complete, and it could not be kept, or took more than a minute longer. Make it quicker, or say its time at its start."],
  ["too many responses under way", "Copies of all that is being made take more than 128 MiB. Lower max_body_bytes, or put a proxy in front that takes responses quickly."],
  ["refused by the store", "It was taken back while it was made, which is as it should be; or it is too large for the store."],
  ["the store's lookup failed", "The store is away, slow or refuses: the log has its own words. Requests are answered by the application meanwhile."],
  ["the store's commit failed", "The store took no entry: the log has its own words. A Redis user may be allowed to read and not to write."],
  ["stale-if-error", "The application failed, and the client got the last good page in its place. The log has the error."],
  ["other", "So many reasons have come that not all are told apart. The latest requests say theirs."],
  ["only-if-cached", "The request asked for what is stored and nothing else, and nothing is. Nothing needs to be done."],
];

const exact = new Map(CURES);
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const patterns = CURES.filter(([reason]) => reason.includes("…")).map(([reason, cure]) => [
  new RegExp(`^${reason.split("…").map(escaped).join(".+")}$`, "s"),
  cure,
]);

export const cureOf = (reason) =>
  exact.get(reason) ??
  patterns.find(([pattern]) => pattern.test(reason))?.[1] ??
  "This page knows no cure for it: the documentation’s page “Why was this not cached?” has them all.";
