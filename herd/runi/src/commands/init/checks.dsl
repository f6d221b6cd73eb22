Step: Positive(column)
  Rows whose column is not above zero are rejected.
  @then ${column} > 0 otherwise reject
