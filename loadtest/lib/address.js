// References in playlists, made absolute: k6 has no URL class.

const SCHEME = /^[a-z][a-z0-9+.-]*:/i;

// What `reference` means in a document at `base`, an absolute http(s) address (RFC 3986 §5.2, without fragments).
export function resolve(base, reference) {
  if (SCHEME.test(reference)) return reference;
  const [, scheme, host, path] = /^([a-z]+:)\/\/([^/?#]*)([^?#]*)/i.exec(base);
  if (reference.startsWith("//")) return scheme + reference;
  const [, asked, query] = /^([^?]*)(.*)$/.exec(reference);
  if (asked === "") return `${scheme}//${host}${path || "/"}${query}`;
  const folder = path.slice(0, path.lastIndexOf("/") + 1) || "/";
  return `${scheme}//${host}${withoutDots(asked.startsWith("/") ? asked : folder + asked)}${query}`;
}

function withoutDots(path) {
  const kept = [];
  const parts = path.split("/").slice(1);
  parts.forEach((part, n) => {
    const last = n === parts.length - 1;
    if (part === "..") kept.pop();
    else if (part !== ".") kept.push(part);
    if (last && (part === "." || part === "..")) kept.push("");
  });
  return `/${kept.join("/")}`;
}
