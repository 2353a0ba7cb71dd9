/** The bundle has the members of the package's own entry, but no types. */
declare module 'echarts/dist/echarts.esm.min.mjs' {
  export * from 'echarts';
}
