Step: Clean(column)
  @step(name=Big)
  @when ${column} > 1
