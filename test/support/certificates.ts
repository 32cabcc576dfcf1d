import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files of certificates that a test's authority has signed for 127.0.0.1, PEM. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Of the same authority, for the same server, but out of date. */
  readonly expired: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** Of the same authority, for `clientKey`, but out of date. */
  readonly expiredClient: string;
}

/** Makes them with openssl in `folder`. */
export function makeCertificates(folder: string): Certificates {
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-days",
    "2",
    "-subj",
    "/CN=test authority",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
  );
  writeFileSync(at("extensions"), "subjectAltName=IP:127.0.0.1\n");
  // A small authority of files: the one way to give a date of the past.
  writeFileSync(at("index.txt"), "");
  writeFileSync(at("serial"), "1000\n");
  writeFileSync(
    at("ca.conf"),
    `[ca]\ndefault_ca=own\n[own]\ndatabase=${at("index.txt")}\nserial=${at("serial")}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n`,
  );
  const sign = (name: string, from: string, to: string) => {
    openssl(
      "req",
      "-new",
      ...key,
      "-subj",
      `/CN=${name}`,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.csr`),
    );
    openssl(
      ..."ca -batch -notext -config".split(" "),
      at("ca.conf"),
      ...["-cert", at("ca.pem"), "-keyfile", at("ca.key"), "-startdate", from, "-enddate", to],
      ...["-extfile", at("extensions"), "-in", at(`${name}.csr`), "-out", at(`${name}.pem`)],
    );
  };
  sign("server", "20200101000000Z", "20990101000000Z");
  sign("client", "20200101000000Z", "20990101000000Z");
  const expire = (name: string, to: string) =>
    openssl(
      ..."ca -batch -notext -config".split(" "),
      at("ca.conf"),
      ...["-cert", at("ca.pem"), "-keyfile", at("ca.key"), "-startdate", "20200101000000Z"],
      ...["-enddate", "20200201000000Z", "-extfile", at("extensions")],
      ...["-in", at(`${name}.csr`), "-out", at(to)],
    );
  expire("server", "expired.pem");
  expire("client", "expired-client.pem");
  return {
    ca: at("ca.pem"),
    cert: at("server.pem"),
    key: at("server.key"),
    expired: at("expired.pem"),
    clientCert: at("client.pem"),
    clientKey: at("client.key"),
    expiredClient: at("expired-client.pem"),
  };
}
