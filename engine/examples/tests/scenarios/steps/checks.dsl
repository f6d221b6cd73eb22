Step: Positive(column, least = 0)
  Only rows in which a column is greater than something.
  @then ${column} > ${least} otherwise reject

Step: Counted(size, slide = 1m)
  @do aggregate n = count(*) in hopping(${size}, every ${slide})

Step: Near(other, around)
  @do join ${other} as o on o.sensor = readings.sensor within ${around}
  @do select value, near = o.value
