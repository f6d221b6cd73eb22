Step: Positive(column, least = 0)
  Only rows in which a column is greater than something.
  @then ${column} > ${least} otherwise reject
