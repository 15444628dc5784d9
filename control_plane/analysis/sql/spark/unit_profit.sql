-- Made by scripts/analysis_sql.py from control_plane/analysis/expressions.py; do not edit.
SELECT
  `t31`.`placement`,
  `t31`.`unit`,
  `t31`.`held_least`,
  `t31`.`held_most`,
  SUM(`t31`.`ordered`) AS `orders`,
  SUM(`t31`.`profit_micros`) AS `profit_micros`
FROM (
  SELECT
    `t28`.`placement`,
    `t28`.`unit`,
    `t28`.`held_least`,
    `t28`.`held_most`,
    IF(`t30`.`order_id` IS NOT NULL, 1, 0) AS `ordered`,
    COALESCE(`t30`.`profit_micros`, 0) AS `profit_micros`
  FROM (
    SELECT
      *
    FROM (
      SELECT
        `t21`.`placement`,
        `t21`.`unit`,
        MIN(`t21`.`time_s`) AS `since_s`,
        MIN(`t21`.`held`) AS `held_least`,
        MAX(`t21`.`held`) AS `held_most`
      FROM (
        SELECT
          `t17`.`placement`,
          `t17`.`holdout_unit` AS `unit`,
          `t17`.`time_s`,
          IF((
            `t17`.`flags` & 3
          ) <> 0, 1, 0) AS `held`
        FROM (
          SELECT
            *
          FROM `decisions` AS `t2`
          WHERE
            `t2`.`attested`
            AND (
              `t2`.`flags` & 4
            ) = 0
            AND `t2`.`ghost_arm` <> 'none'
            AND `t2`.`holdout_unit` <> ''
        ) AS `t17`
        LEFT SEMI JOIN (
          SELECT
            `t4`.`decision` AS `exposure_of`,
            `t4`.`time_s` AS `exposure_s`
          FROM `touches` AS `t4`
          WHERE
            `t4`.`kind` = 'exposure' AND NOT (
              `t4`.`bot`
            )
        ) AS `t16`
          ON `t17`.`id` = `t16`.`exposure_of`
      ) AS `t21`
      GROUP BY
        1,
        2
    ) AS `t25`
    UNION ALL
    SELECT
      *
    FROM (
      SELECT
        `t22`.`placement`,
        `t22`.`unit`,
        MIN(`t22`.`time_s`) AS `since_s`,
        MIN(`t22`.`held`) AS `held_least`,
        MAX(`t22`.`held`) AS `held_most`
      FROM (
        SELECT
          '' AS `placement`,
          `t18`.`global_unit` AS `unit`,
          `t18`.`time_s`,
          IF((
            `t18`.`flags` & 1
          ) <> 0, 1, 0) AS `held`
        FROM (
          SELECT
            *
          FROM `decisions` AS `t2`
          WHERE
            `t2`.`attested`
            AND (
              `t2`.`flags` & 4
            ) = 0
            AND `t2`.`ghost_arm` <> 'none'
            AND `t2`.`global_unit` <> ''
        ) AS `t18`
        LEFT SEMI JOIN (
          SELECT
            `t4`.`decision` AS `exposure_of`,
            `t4`.`time_s` AS `exposure_s`
          FROM `touches` AS `t4`
          WHERE
            `t4`.`kind` = 'exposure' AND NOT (
              `t4`.`bot`
            )
        ) AS `t16`
          ON `t18`.`id` = `t16`.`exposure_of`
      ) AS `t22`
      GROUP BY
        1,
        2
    ) AS `t26`
  ) AS `t28`
  CROSS JOIN `settings` AS `t7`
  LEFT OUTER JOIN (
    SELECT
      `t8`.`unit`,
      `t8`.`order_id`,
      `t8`.`time_s`,
      `t24`.`earned_micros` - COALESCE(`t15`.`back_micros`, 0) AS `profit_micros`
    FROM `order_units` AS `t8`
    INNER JOIN (
      SELECT
        `t9`.`order_id`,
        `t9`.`time_s`,
        `t9`.`revenue_micros`,
        `t9`.`margin_micros` - COALESCE(`t20`.`cost_micros`, `t9`.`discount_micros`) AS `earned_micros`
      FROM `orders` AS `t9`
      LEFT OUTER JOIN (
        SELECT
          `t12`.`order_id`,
          SUM(`t12`.`cost_micros`) AS `cost_micros`
        FROM (
          SELECT
            *
          FROM `redemptions` AS `t6`
          WHERE
            `t6`.`state` = 'committed'
        ) AS `t12`
        GROUP BY
          1
      ) AS `t20`
        ON `t9`.`order_id` = `t20`.`order_id`
    ) AS `t24`
      ON `t8`.`order_id` = `t24`.`order_id`
    LEFT OUTER JOIN (
      SELECT
        `t3`.`order_id`,
        SUM(`t3`.`margin_micros`) AS `back_micros`
      FROM `returns` AS `t3`
      GROUP BY
        1
    ) AS `t15`
      ON `t8`.`order_id` = `t15`.`order_id`
  ) AS `t30`
    ON `t28`.`unit` = `t30`.`unit`
    AND `t30`.`time_s` >= `t28`.`since_s`
    AND `t30`.`time_s` < (
      `t28`.`since_s` + `t7`.`attribution_s`
    )
) AS `t31`
GROUP BY
  1,
  2,
  3,
  4
