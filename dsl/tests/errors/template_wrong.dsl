Step: Clean(column, column)
  @do set ${colum}_clean = trim(${column})
Step: Clean(
  @when a > 1
Step:
  @when a > 1
Step: Empty
