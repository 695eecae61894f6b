// usage: client.js PROTO_FOLDER TARGET    (see README.md)
'use strict';
const readline = require('readline');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [protos, target] = process.argv.slice(2);
const definition = loader.loadSync('remora/v1/control.proto', {
  includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true, arrays: true, objects: true,
});
const { Control } = grpc.loadPackageDefinition(definition).remora.v1;
const client = new Control(target, grpc.credentials.createInsecure());

// A Duration is a message here; JSON has it as "1.5s".
function withDurations(request) {
  if (!('drain_timeout' in request)) return request;
  const seconds = parseFloat(request.drain_timeout);
  const whole = Math.trunc(seconds);
  return { ...request, drain_timeout: { seconds: whole, nanos: Math.round((seconds - whole) * 1e9) } };
}

function call(step) {
  return new Promise((resolve) => {
    const deadline = new Date(Date.now() + 10000);
    client[step.rpc](withDurations(step.request), { deadline }, (error, response) => {
      if (!error) return resolve({ code: 'OK', response });
      const details = error.metadata.get('grpc-status-details-bin')[0] || Buffer.alloc(0);
      return resolve({
        code: grpc.status[error.code], message: error.details, details: details.toString('base64'),
      });
    });
  });
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await call(JSON.parse(line)))}\n`);
  }
  client.close();
})();
