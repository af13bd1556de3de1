# A server of the runs that are mounted at /app/runs: see docs/server.md. Written with care and not yet built: see there.
FROM node:22-bookworm-slim AS build
WORKDIR /app
RUN corepack enable && corepack prepare pnpm@10 --activate
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN pnpm install --frozen-lockfile
COPY . .
RUN pnpm run build && pnpm prune --prod

FROM node:22-bookworm-slim
# ONNX Runtime sends usage data unless it is told not to
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1 PORT=8080
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/graphs ./graphs
USER node
EXPOSE 8080
# without a shell between, so that SIGTERM arrives
ENTRYPOINT ["node", "dist/cli/bin.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--run", "runs/latest"]
# where --port is another one, set PORT too
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
